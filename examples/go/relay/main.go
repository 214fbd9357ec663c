// Command relay is an agent without a port of its own: it dials the node and serves calls over one stream.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/a2amesh/a2a-node/clients/go/a2amesh/v1"
	"github.com/a2amesh/a2a-node/examples/go/mesh"
)

func main() {
	log.SetFlags(0)
	told, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer done()
	conn, err := mesh.Dial()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for told.Err() == nil {
		err := attach(told, conn)
		if err != nil && status.Code(err) != codes.Unavailable && told.Err() == nil {
			log.Fatal(err)
		}
		select { // the node went away or drains: dial again
		case <-told.Done():
		case <-time.After(time.Second):
		}
	}
}

// attached is one stream to a node, with the calls that run on it.
type attached struct {
	agent   *agent
	stream  grpc.BidiStreamingClient[pb.AttachRequest, pb.AttachResponse]
	sending sync.Mutex // a stream takes one Send at a time
	calls   sync.Map   // call id to context.CancelFunc
}

// attach serves the agent over one stream, until the stream ends or told is done and the calls under way are answered.
func attach(told context.Context, conn *grpc.ClientConn) error {
	ctx, abandon := context.WithCancel(context.Background())
	defer abandon()
	dialling := context.AfterFunc(told, abandon)
	stream, err := pb.NewAgentHostServiceClient(conn).Attach(ctx, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	dialling()
	a := &attached{agent: &agent{mesh: pb.NewAgentServiceClient(conn)}, stream: stream}
	a.send(&pb.AttachRequest{Frame: &pb.AttachRequest_Hello{Hello: &pb.AttachHello{Agent: describe()}}})
	defer context.AfterFunc(told, a.leave)()
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a.receive(ctx, frame)
	}
}

func (a *attached) receive(ctx context.Context, response *pb.AttachResponse) {
	switch frame := response.Frame.(type) {
	case *pb.AttachResponse_Welcome:
		fmt.Printf("attached %s to %s\n", name, frame.Welcome.NodeId)
	case *pb.AttachResponse_Start:
		call, cancel := context.WithTimeout(ctx, frame.Start.TimeLeft.AsDuration())
		a.calls.Store(response.CallId, cancel)
		go a.run(call, response.CallId, frame.Start)
	case *pb.AttachResponse_Cancel:
		a.end(response.CallId)
	case *pb.AttachResponse_Ping:
		a.send(&pb.AttachRequest{Frame: &pb.AttachRequest_Pong{Pong: frame.Ping}})
	}
}

func (a *attached) run(ctx context.Context, callID string, start *pb.AttachStart) {
	defer a.end(callID)
	output, err := a.agent.serve(ctx, start)
	if err != nil {
		a.send(&pb.AttachRequest{CallId: callID, Frame: &pb.AttachRequest_Fail{Fail: mesh.Failure(err)}})
		return
	}
	a.send(&pb.AttachRequest{CallId: callID, Frame: &pb.AttachRequest_End{End: &pb.AttachEnd{Output: output}}})
}

func (a *attached) end(callID string) {
	if cancel, found := a.calls.LoadAndDelete(callID); found {
		cancel.(context.CancelFunc)()
	}
}

// leave asks for no more calls; the node closes the stream once those under way are answered.
func (a *attached) leave() {
	a.send(&pb.AttachRequest{Frame: &pb.AttachRequest_Leave{Leave: &pb.AttachLeave{}}})
}

func (a *attached) send(frame *pb.AttachRequest) {
	a.sending.Lock()
	defer a.sending.Unlock()
	_ = a.stream.Send(frame) // a stream that broke says so in Recv
}
