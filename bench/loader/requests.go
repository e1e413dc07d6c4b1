package main

import (
	"encoding/binary"
	"fmt"
	"os"

	"google.golang.org/grpc/mem"
)

// readRequests splits a file of messages, each with its length before it as a varint.
func readRequests(path string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var requests [][]byte
	for len(data) > 0 {
		length, read := binary.Uvarint(data)
		if read <= 0 || uint64(len(data)-read) < length {
			return nil, fmt.Errorf("%s: request %d is cut off", path, len(requests))
		}
		data = data[read:]
		requests = append(requests, data[:length:length])
		data = data[length:]
	}
	return requests, nil
}

// raw sends bytes as they are, and reads nothing of a reply: what calls have done is seen in the database.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (raw) Unmarshal(mem.BufferSlice, any) error { return nil }
