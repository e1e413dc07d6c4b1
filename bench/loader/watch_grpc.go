package main

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	watchUnread  = "/readstate.v1.UnreadService/WatchUnread"
	recordEvents = "/readstate.v1.SystemEventService/RecordSystemEvents"

	// As many as the gateway has on one connection.
	streamsPerConnection = 50

	// Of WatchUnreadResponse.
	headField = 2
)

// overGRPC opens streams of WatchUnread. The first request is a record.
func overGRPC(p plan, producer string) (*watchers, error) {
	p.connections = 1
	ours, err := connect(p)
	if err != nil {
		return nil, err
	}
	shared := &sharedConnections{plan: p}
	return &watchers{
		plan: p,
		open: shared.open,
		record: func() error {
			ctx, cancel := context.WithTimeout(bearer(producer), deadline)
			defer cancel()
			var nothing struct{}
			return ours[0].Invoke(ctx, recordEvents, p.requests[0], &nothing)
		},
	}, nil
}

// sharedConnections are opened as they are needed.
type sharedConnections struct {
	plan        plan
	mutex       sync.Mutex
	connections []*grpc.ClientConn
}

func (s *sharedConnections) of(number int) (*grpc.ClientConn, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(s.connections) <= number/streamsPerConnection {
		more, err := connect(s.plan)
		if err != nil {
			return nil, err
		}
		s.connections = append(s.connections, more...)
	}
	return s.connections[number/streamsPerConnection], nil
}

func (s *sharedConnections) open(number int, token string, told func(head int64)) error {
	connection, err := s.of(number)
	if err != nil {
		return err
	}
	description := &grpc.StreamDesc{ServerStreams: true}
	stream, err := connection.NewStream(bearer(token), description, watchUnread, grpc.ForceCodecV2(kept{}))
	if err != nil {
		return err
	}
	if err := stream.SendMsg([]byte{}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		head, err := headOf(message)
		if err != nil {
			return err
		}
		told(head)
	}
}

// headOf is 0 where the message has none, as proto3 has it.
func headOf(message []byte) (int64, error) {
	for len(message) > 0 {
		number, kind, length := protowire.ConsumeTag(message)
		if length < 0 {
			return 0, protowire.ParseError(length)
		}
		message = message[length:]
		if number == headField && kind == protowire.VarintType {
			head, length := protowire.ConsumeVarint(message)
			return int64(head), protowire.ParseError(min(length, 0))
		}
		if length = protowire.ConsumeFieldValue(number, kind, message); length < 0 {
			return 0, fmt.Errorf("field %d: %w", number, protowire.ParseError(length))
		}
		message = message[length:]
	}
	return 0, nil
}

func bearer(token string) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
}

// kept sends bytes as they are, and keeps those of a message that comes.
type kept struct{ raw }

func (kept) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}
