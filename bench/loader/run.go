package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A call carries a deadline, as clients are told to set one.
const deadline = 20 * time.Second

type found struct {
	Calls    int            `json:"calls"` // that succeeded
	Failures map[string]int `json:"failures"`
	Seconds  float64        `json:"seconds"` // from the first call's start to the last reply
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
}

// worker has one call in flight after the other.
type worker struct {
	connection *grpc.ClientConn
	contexts   []context.Context // with the metadata of its members, in turn
	took       []time.Duration   // of the calls that succeeded
	failures   map[string]int    // by code and message
}

func run(p plan) (found, error) {
	connections, err := connect(p)
	if err != nil {
		return found{}, err
	}
	workers := make([]*worker, p.level)
	for i := range workers {
		workers[i] = &worker{
			connection: connections[i%len(connections)],
			contexts:   p.contexts(i),
			failures:   map[string]int{},
		}
	}
	var next atomic.Int64
	var done sync.WaitGroup
	start := time.Now()
	for _, w := range workers {
		done.Go(func() { w.work(p, &next, start) })
	}
	done.Wait()
	return summary(workers, time.Since(start)), nil
}

// connect opens every connection, so that no call waits for one.
func connect(p plan) ([]*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	connections := make([]*grpc.ClientConn, p.connections)
	for i := range connections {
		connection, err := grpc.NewClient(
			p.target,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})),
			grpc.WithDisableRetry(),
			grpc.WithDisableServiceConfig(),
		)
		if err != nil {
			return nil, err
		}
		connection.Connect()
		for state := connection.GetState(); state != connectivity.Ready; state = connection.GetState() {
			if !connection.WaitForStateChange(ctx, state) {
				return nil, ctx.Err()
			}
		}
		connections[i] = connection
	}
	return connections, nil
}

// contexts returns those of worker i: its k-th call is for member i + k * level. With as many members as workers each
// worker is one member; one worker takes all members in turn.
func (p plan) contexts(i int) []context.Context {
	var contexts []context.Context
	for place := i % len(p.tokens); ; place = (place + p.level) % len(p.tokens) {
		md := metadata.Pairs("authorization", "Bearer "+p.tokens[place])
		contexts = append(contexts, metadata.NewOutgoingContext(context.Background(), md))
		if (place+p.level)%len(p.tokens) == i%len(p.tokens) {
			return contexts
		}
	}
}

func (w *worker) work(p plan, next *atomic.Int64, start time.Time) {
	for k := 0; p.time == 0 || time.Since(start) < p.time; k++ {
		n := int(next.Add(1)) - 1
		if p.calls > 0 && n >= p.calls {
			return
		}
		if p.rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / time.Duration(p.rate))))
		}
		began := time.Now()
		err := w.call(w.contexts[k%len(w.contexts)], p.method, p.requests[n%len(p.requests)])
		if err != nil {
			reported := status.Convert(err)
			w.failures[reported.Code().String()+": "+reported.Message()]++
			continue
		}
		w.took = append(w.took, time.Since(began))
	}
}

func (w *worker) call(ctx context.Context, method string, request []byte) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	var nothing struct{}
	return w.connection.Invoke(ctx, method, request, &nothing)
}

func summary(workers []*worker, total time.Duration) found {
	result := found{Failures: map[string]int{}, Seconds: total.Seconds()}
	var took []time.Duration
	for _, w := range workers {
		took = append(took, w.took...)
		for reported, n := range w.failures {
			result.Failures[reported] += n
		}
	}
	slices.Sort(took)
	if result.Calls = len(took); result.Calls > 0 {
		result.P50 = milliseconds(took[result.Calls/2])
		result.P99 = milliseconds(took[result.Calls*99/100])
	}
	return result
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
