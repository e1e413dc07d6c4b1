// Marks events and reads the state back, with the code that protoc makes: mark ADDRESS TOKEN.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	readstatev1 "readstate.dev/gen/readstate/v1"
)

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+os.Args[2])

	events := readstatev1.NewSystemEventServiceClient(connection)
	marked, err := events.MarkRead(ctx, &readstatev1.MarkReadRequest{EventIds: []int64{1, 2}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(marked.GetChangedCount(), marked.GetMatchedCount())

	_, err = events.MarkRead(ctx, &readstatev1.MarkReadRequest{})
	for _, detail := range status.Convert(err).Details() {
		if info, is := detail.(*errdetails.ErrorInfo); is {
			fmt.Println(info.GetReason())
		}
	}
}
