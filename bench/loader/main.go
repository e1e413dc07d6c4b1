// The load generator for gRPC. It sends calls that were serialised beforehand, each worker with the token of a member
// of its own, and prints what it saw as one line of JSON.
//
// Why not ghz: its metadata is one for all calls, or a template that it fills in anew for each, which costs it more
// than the call. Here a worker's metadata is made once.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"strings"
	"time"
)

type plan struct {
	target      string
	method      string // /package.Service/Method
	requests    [][]byte
	tokens      []string
	level       int // calls in flight
	connections int
	time        time.Duration // 0: until all calls are made
	calls       int           // 0: until the time is over
	rate        int           // calls begun in a second; 0: as many as can be
}

func main() {
	var p plan
	flag.StringVar(&p.target, "target", "", "host:port")
	flag.StringVar(&p.method, "method", "", "/package.Service/Method")
	requests := flag.String("requests", "", "file of serialised requests, each with its length before it")
	tokens := flag.String("tokens", "", "file of bearer tokens, one a line")
	flag.IntVar(&p.level, "level", 1, "calls in flight")
	flag.IntVar(&p.connections, "connections", 1, "HTTP/2 connections")
	flag.DurationVar(&p.time, "time", 0, "how long calls are begun")
	flag.IntVar(&p.calls, "calls", 0, "how many calls are begun")
	flag.IntVar(&p.rate, "rate", 0, "calls begun in a second; 0 for as many as can be")
	watch := flag.String("watch", "", "grpc or sse: open streams instead, as standard input says")
	flag.Parse()

	var err error
	if p.requests, err = readRequests(*requests); err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(*tokens)
	if err != nil {
		log.Fatal(err)
	}
	p.tokens = strings.Fields(string(text))
	if *watch != "" {
		if err := obey(p, *watch); err != nil {
			log.Fatal(err)
		}
		return
	}
	if len(p.requests) == 0 || len(p.tokens) == 0 || (p.time == 0) == (p.calls == 0) {
		log.Fatal("requests, tokens, and either a time or a number of calls are needed")
	}
	found, err := run(p)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

// obey returns when standard input ends, which ends the streams as well. The last token is that of who records.
func obey(p plan, protocol string) error {
	last := len(p.tokens) - 1
	producer := p.tokens[last]
	p.tokens = p.tokens[:last]
	if protocol == "sse" {
		return overSSE(p).obey(os.Stdin)
	}
	watchers, err := overGRPC(p, producer)
	if err != nil {
		return err
	}
	return watchers.obey(os.Stdin)
}
