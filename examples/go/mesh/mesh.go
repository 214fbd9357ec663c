// Package mesh is what the examples say to a node: where it is, who they are, and how payloads and failures read.
package mesh

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/a2amesh/a2a-node/clients/go/a2amesh/v1"
)

var soon = backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: time.Second}

// Dial connects to the node at A2A_ADDRESS with the key of A2A_KEY, or else the development key of this machine's node.
func Dial() (*grpc.ClientConn, error) {
	key, err := findKey()
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(
		cmp.Or(os.Getenv("A2A_ADDRESS"), "127.0.0.1:50051"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(bearer(key)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: soon, MinConnectTimeout: 5 * time.Second}),
	)
}

// Object reads the JSON object of a payload, whichever way it was sent; what does not fit is the sender's fault.
func Object(payload *pb.Payload, into any) error {
	text := payload.GetData()
	if object := payload.GetStruct(); object != nil {
		text, _ = object.MarshalJSON() // a Struct is JSON already: this cannot fail
	}
	if len(text) == 0 {
		text = []byte("{}")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return refusal(codes.InvalidArgument, "INVALID_INPUT", err.Error())
	}
	return nil
}

// Payload writes a JSON object in the encoding of another payload: a Struct for people, bytes for programs.
func Payload(object any, like *pb.Payload) (*pb.Payload, error) {
	text, err := json.Marshal(object)
	if err != nil || like.GetStruct() == nil {
		return &pb.Payload{Body: &pb.Payload_Data{Data: text}}, err
	}
	fields := &structpb.Struct{}
	return &pb.Payload{Body: &pb.Payload_Struct{Struct: fields}}, fields.UnmarshalJSON(text)
}

// Failure says why a call failed, with the reason that the mesh gave.
func Failure(err error) *pb.CallError {
	state := status.Convert(err)
	failure := &pb.CallError{Code: code.Code(state.Code()).String(), Reason: "AGENT_FAILED", Message: state.Message()}
	for _, detail := range state.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			failure.Reason, failure.Metadata = info.Reason, info.Metadata
		}
	}
	return failure
}

func refusal(why codes.Code, reason, message string) error {
	state, err := status.New(why, message).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "a2amesh"})
	if err != nil {
		return err
	}
	return state.Err()
}

type bearer string

func (key bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(key)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false } // the node beside us listens on loopback

func findKey() (string, error) {
	if key := os.Getenv("A2A_KEY"); key != "" {
		return key, nil
	}
	file := filepath.Join(dataDir(), "dev.key")
	key, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("no key: set A2A_KEY, or A2A_DATA_DIR to the node's data directory: %w", err)
	}
	return strings.TrimSpace(string(key)), nil
}

func dataDir() string {
	if chosen := os.Getenv("A2A_DATA_DIR"); chosen != "" {
		return chosen
	}
	if os.Geteuid() == 0 {
		return "/var/lib/a2a-node"
	}
	home, _ := os.UserHomeDir() // without one the key is not found, which is said above
	return filepath.Join(cmp.Or(os.Getenv("XDG_STATE_HOME"), filepath.Join(home, ".local", "state")), "a2a-node")
}
