// The Go peer: MarkRead and GetUnreadCount as a competent Go service would do them. grpc-go, a pgx pool, one prepared
// statement a call, and the token verified in each call. The bench hands it the service's own statements.
package main

import (
	"context"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"

	pb "readstate.dev/bench/peers/go/readstatev1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	pool := connect(ctx)
	defer pool.Close()
	listener, err := net.Listen("tcp", os.Getenv("BENCH_LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(newVerifier().authenticate))
	pb.RegisterSystemEventServiceServer(server, newService(pool))
	go func() {
		<-ctx.Done()
		server.GracefulStop()
	}()
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}

// connect opens the pool on the database that the PG* variables name. pgx prepares each statement once a connection.
func connect(ctx context.Context) *pgxpool.Pool {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		log.Fatal(err)
	}
	connections, err := strconv.Atoi(os.Getenv("BENCH_CONNECTIONS"))
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns = int32(connections)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	return pool
}
