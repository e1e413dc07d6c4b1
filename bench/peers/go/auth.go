package main

import (
	"context"
	"os"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type userKey struct{}

func userID(ctx context.Context) string {
	return ctx.Value(userKey{}).(string)
}

type verifier struct {
	parser *jwt.Parser
	secret []byte
}

func newVerifier() *verifier {
	return &verifier{
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{"HS256"}),
			jwt.WithExpirationRequired(),
			jwt.WithIssuer(os.Getenv("BENCH_ISSUER")),
			jwt.WithAudience(os.Getenv("BENCH_AUDIENCE")),
		),
		secret: []byte(os.Getenv("BENCH_SECRET")),
	}
}

func (v *verifier) authenticate(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler,
) (any, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return nil, status.Error(codes.Unauthenticated, "no token")
	}
	token, isBearer := strings.CutPrefix(values[0], "Bearer ")
	if !isBearer {
		return nil, status.Error(codes.Unauthenticated, "no token")
	}
	var claims jwt.RegisteredClaims
	if _, err := v.parser.ParseWithClaims(token, &claims, v.key); err != nil || claims.Subject == "" {
		return nil, status.Error(codes.Unauthenticated, "invalid token")
	}
	return next(context.WithValue(ctx, userKey{}, claims.Subject), request)
}

func (v *verifier) key(*jwt.Token) (any, error) {
	return v.secret, nil
}
