package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"
)

// What is not there after so long does not come.
const patience = 60 * time.Second

// So many streams are opened at once.
const opening = 64

// openStream opens one stream with a token, and calls `told` with the head of every message until it ends.
type openStream func(number int, token string, told func(head int64)) error

// watchers keep streams open, and obey the lines of standard input. Each is answered by one line of JSON:
//
//	open N          opens N streams more, and waits until each has had its first message
//	record SECONDS  records one event after the other, each when all have heard of the one before
type watchers struct {
	plan   plan
	open   openStream
	record func() error

	mutex    sync.Mutex
	streams  int
	head     int64       // the largest that anybody has been told of
	awaited  int64       // the head that all are to hear of
	arrivals []time.Time // when each heard of it
	all      chan struct{}
}

type heard struct {
	Records int     `json:"records"`
	P50     float64 `json:"p50_ms"` // from a record's reply until a watcher has heard of it
	P99     float64 `json:"p99_ms"`
	Most    float64 `json:"most_ms"`
}

func (w *watchers) obey(commands io.Reader) error {
	lines := bufio.NewScanner(commands)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var command string
		var number int
		if _, err := fmt.Sscan(lines.Text(), &command, &number); err != nil {
			return err
		}
		var answer any
		var err error
		switch command {
		case "open":
			answer, err = w.openMore(number)
		case "record":
			answer, err = w.recordFor(time.Duration(number) * time.Second)
		default:
			err = fmt.Errorf("%q is no command", command)
		}
		if err == nil {
			err = answers.Encode(answer)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

func (w *watchers) openMore(number int) (any, error) {
	began := time.Now()
	opened := make(chan struct{}, number)
	places := make(chan struct{}, opening)
	go func() {
		for range number {
			places <- struct{}{}
			go w.watch(w.streams, func() { <-places; opened <- struct{}{} })
			w.streams++
		}
	}()
	late := time.After(patience)
	for range number {
		select {
		case <-opened:
		case <-late:
			return nil, fmt.Errorf("of %d streams %d had no message after %s", number, number-len(opened), patience)
		}
	}
	return map[string]float64{"seconds": time.Since(began).Seconds()}, nil
}

func (w *watchers) watch(number int, opened func()) {
	var first sync.Once
	var last int64
	err := w.open(number, w.plan.tokens[number%len(w.plan.tokens)], func(head int64) {
		now := time.Now()
		first.Do(opened)
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.head = max(w.head, head)
		if last < w.awaited && w.awaited <= head {
			if w.arrivals = append(w.arrivals, now); len(w.arrivals) == w.streams {
				close(w.all)
			}
		}
		last = head
	})
	log.Fatalf("stream %d has ended: %v", number, err)
}

func (w *watchers) recordFor(duration time.Duration) (any, error) {
	var took []time.Duration
	var result heard
	for start := time.Now(); time.Since(start) < duration; result.Records++ {
		found, err := w.recordOne()
		if err != nil {
			return nil, err
		}
		took = append(took, found...)
		// Others ask in turns of 250 ms: let no record come at the same place in them.
		time.Sleep(time.Duration(100+rand.IntN(500)) * time.Millisecond)
	}
	slices.Sort(took)
	result.P50 = milliseconds(took[len(took)/2])
	result.P99 = milliseconds(took[len(took)*99/100])
	result.Most = milliseconds(took[len(took)-1])
	return result, nil
}

// recordOne returns how long after the reply each stream heard of the event. Some hear of it before.
func (w *watchers) recordOne() ([]time.Duration, error) {
	w.mutex.Lock()
	w.awaited, w.arrivals, w.all = w.head+1, nil, make(chan struct{})
	w.mutex.Unlock()
	if err := w.record(); err != nil {
		return nil, err
	}
	replied := time.Now()
	select {
	case <-w.all:
	case <-time.After(patience):
		return nil, fmt.Errorf("of %d streams only %d have heard of a record", w.streams, len(w.arrivals))
	}
	took := make([]time.Duration, len(w.arrivals))
	for i, arrival := range w.arrivals {
		took[i] = max(0, arrival.Sub(replied))
	}
	return took, nil
}
