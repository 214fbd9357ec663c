// Command call asks an agent: `call AGENT CAPABILITY '{"some": "json"}'`.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/a2amesh/a2a-node/clients/go/a2amesh/v1"
	"github.com/a2amesh/a2a-node/examples/go/mesh"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal(`usage: call AGENT CAPABILITY '{"some": "json"}'`)
	}
	input := &structpb.Struct{}
	if err := protojson.Unmarshal([]byte(os.Args[3]), input); err != nil {
		log.Fatal(err)
	}
	conn, err := mesh.Dial()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	response, err := pb.NewAgentServiceClient(conn).Invoke(ctx, &pb.InvokeRequest{
		Agent:      os.Args[1],
		Capability: os.Args[2],
		Input:      &pb.Payload{Body: &pb.Payload_Struct{Struct: input}},
	})
	if err != nil {
		failure := mesh.Failure(err)
		log.Fatalf("%s %s: %s", failure.Code, failure.Reason, failure.Message)
	}
	output, err := json.Marshal(response.Output.GetStruct().AsMap())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(output))
}
