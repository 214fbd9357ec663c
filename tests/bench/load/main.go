// Load sends one unary request again and again and prints what came back as one line of JSON.
//
// Messages are raw bytes, so that the generator costs a fraction of the server under test. An answer whose size differs
// from the first one's counts as an error, as does every status but OK.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = append([]byte(nil), data...); return nil }
func (rawCodec) Name() string                       { return "proto" }

type outcome struct {
	latencies []time.Duration
	errors    int
	first     string
}

type report struct {
	Calls   int     `json:"calls"`
	Errors  int     `json:"errors"`
	Error   string  `json:"error"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
}

func main() {
	target := flag.String("target", "", "host:port")
	method := flag.String("method", "", "full method name")
	body := flag.String("body", "", "request message in hex")
	key := flag.String("key-file", "", "file of the bearer key")
	workers := flag.Int("workers", 16, "calls under way at a time")
	rate := flag.Float64("rate", 0, "calls per second over all workers; 0 means as fast as they go")
	seconds := flag.Float64("seconds", 2, "how long")
	flag.Parse()

	request, err := hex.DecodeString(*body)
	fail(err)
	conn, err := grpc.NewClient(*target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})))
	fail(err)
	defer conn.Close()
	ctx := context.Background()
	if *key != "" {
		secret, err := os.ReadFile(*key)
		fail(err)
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(secret)))
	}

	var want []byte
	fail(conn.Invoke(ctx, *method, &request, &want))

	outcomes := make([]outcome, *workers)
	start := time.Now()
	end := start.Add(time.Duration(*seconds * float64(time.Second)))
	var group sync.WaitGroup
	for n := range outcomes {
		group.Add(1)
		go func() {
			defer group.Done()
			outcomes[n] = work(ctx, conn, *method, request, len(want), pace(start, end, *rate, n, *workers))
		}()
	}
	group.Wait()
	json.NewEncoder(os.Stdout).Encode(summed(outcomes, time.Since(start)))
}

// pace tells when a worker's next call is due; false when the time is over.
func pace(start, end time.Time, rate float64, worker, workers int) func() bool {
	if rate == 0 {
		return func() bool { return time.Now().Before(end) }
	}
	step := time.Duration(float64(workers) / rate * float64(time.Second))
	due := start.Add(time.Duration(worker) * step / time.Duration(workers))
	return func() bool {
		if due.After(end) {
			return false
		}
		time.Sleep(time.Until(due))
		due = due.Add(step)
		return true
	}
}

func work(ctx context.Context, conn *grpc.ClientConn, method string, request []byte, size int, next func() bool) outcome {
	var said outcome
	for next() {
		var reply []byte
		began := time.Now()
		err := conn.Invoke(ctx, method, &request, &reply)
		said.latencies = append(said.latencies, time.Since(began))
		if err == nil && len(reply) != size {
			err = fmt.Errorf("an answer of %d bytes instead of %d", len(reply), size)
		}
		if err != nil {
			said.errors++
			said.first = err.Error()
		}
	}
	return said
}

func summed(outcomes []outcome, took time.Duration) report {
	all := report{Seconds: took.Seconds()}
	var latencies []time.Duration
	for _, one := range outcomes {
		latencies = append(latencies, one.latencies...)
		all.Errors += one.errors
		if one.first != "" {
			all.Error = one.first
		}
	}
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	all.Calls = len(latencies)
	all.P50, all.P99 = at(latencies, 0.50), at(latencies, 0.99)
	return all
}

func at(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(float64(len(sorted)-1)*q)].Microseconds()) / 1000
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
