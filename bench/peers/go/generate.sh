#!/bin/sh
# Makes readstatev1/ anew from the proto file, with the plugins in PATH (go install, versions as in the files' heads):
#   google.golang.org/protobuf/cmd/protoc-gen-go  google.golang.org/grpc/cmd/protoc-gen-go-grpc
set -eu
cd "$(dirname "$0")"
root=../../..
package=readstate/v1/system_events.proto=readstate.dev/bench/peers/go/readstatev1
mkdir -p readstatev1
"$root/.venv/bin/python" -m grpc_tools.protoc --proto_path="$root/protos" \
    --go_out=. --go_opt=module=readstate.dev/bench/peers/go --go_opt="M$package" \
    --go-grpc_out=. --go-grpc_opt=module=readstate.dev/bench/peers/go --go-grpc_opt="M$package" \
    readstate/v1/system_events.proto
