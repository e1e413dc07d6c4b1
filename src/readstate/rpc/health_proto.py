"""`grpc.health.v1` as its newest proto has it. The library's generated code does not know `List` yet.

Source: https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto. The file is in a pool of its own, so
it is in nobody's way. Once the library knows `List`, importing this fails, and this module can go.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2

_ADDED: Final = """
message_type { name: "HealthListRequest" }
message_type {
  name: "HealthListResponse"
  field {
    name: "statuses" number: 1 label: LABEL_REPEATED
    type: TYPE_MESSAGE type_name: ".grpc.health.v1.HealthListResponse.StatusesEntry"
  }
  nested_type {
    name: "StatusesEntry"
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field {
      name: "value" number: 2 label: LABEL_OPTIONAL
      type: TYPE_MESSAGE type_name: ".grpc.health.v1.HealthCheckResponse"
    }
    options { map_entry: true }
  }
}
"""


def _with_list() -> FileDescriptor:
    proto = descriptor_pb2.FileDescriptorProto()
    health_pb2.DESCRIPTOR.CopyToProto(proto)
    text_format.Merge(_ADDED, proto)
    proto.service[0].method.add(
        name="List",
        input_type=".grpc.health.v1.HealthListRequest",
        output_type=".grpc.health.v1.HealthListResponse",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    return pool.FindFileByName(proto.name)


FILE: Final = _with_list()
SERVICE: Final = FILE.services_by_name["Health"].full_name

HealthListRequest: Any = message_factory.GetMessageClass(FILE.message_types_by_name["HealthListRequest"])
HealthListResponse: Any = message_factory.GetMessageClass(FILE.message_types_by_name["HealthListResponse"])
