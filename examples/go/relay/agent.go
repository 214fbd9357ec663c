package main

import (
	"context"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/a2amesh/a2a-node/clients/go/a2amesh/v1"
	"github.com/a2amesh/a2a-node/examples/go/mesh"
)

const name = "relay-go"

// describe is what the mesh is told of the agent.
func describe() *pb.AgentDescriptor {
	agent := &pb.AgentDescriptor{}
	if err := protojson.Unmarshal([]byte(`{
		"name": "`+name+`", "version": "1.0.0", "category": "example", "tags": ["go"],
		"description": "Hands a text along a route of agents.",
		"capabilities": [{
			"name": "relay",
			"description": "Hands the text to the next agent on the route and answers with everybody's stop.",
			"inputSchema": {
				"type": "object", "required": ["route", "text"],
				"properties": {"route": {"type": "array", "items": {"type": "string"}}, "text": {"type": "string"}}
			}
		}, {
			"name": "ask",
			"description": "Calls a capability of another agent, a tool for example, and answers what that answered.",
			"inputSchema": {
				"type": "object", "required": ["agent", "capability"],
				"properties": {
					"agent": {"type": "string"}, "capability": {"type": "string"}, "input": {"type": "object"}
				}
			}
		}]
	}`), agent); err != nil {
		panic(err)
	}
	return agent
}

type asked struct {
	Route []string `json:"route"`
	Text  string   `json:"text"`
}

type wanted struct {
	Agent      string         `json:"agent"`
	Capability string         `json:"capability"`
	Input      map[string]any `json:"input"`
}

type stop struct {
	Agent       string   `json:"agent"`
	Language    string   `json:"language"`
	Path        []string `json:"path"`
	SecondsLeft float64  `json:"seconds_left"`
}

type passed struct {
	Text  string `json:"text"`
	Stops []stop `json:"stops"`
}

type agent struct {
	mesh pb.AgentServiceClient
}

// serve does one call.
func (a *agent) serve(ctx context.Context, start *pb.AttachStart) (*pb.Payload, error) {
	if start.Capability == "ask" {
		return a.ask(ctx, start)
	}
	return a.relay(ctx, start)
}

// ask calls another agent and answers what that answered.
func (a *agent) ask(ctx context.Context, start *pb.AttachStart) (*pb.Payload, error) {
	input := wanted{Input: map[string]any{}}
	if err := mesh.Object(start.Input, &input); err != nil {
		return nil, err
	}
	payload, err := mesh.Payload(input.Input, start.Input)
	if err != nil {
		return nil, err
	}
	return a.call(ctx, start, &pb.InvokeRequest{Agent: input.Agent, Capability: input.Capability, Input: payload})
}

// relay hands the text on and puts its own stop before those that come back.
func (a *agent) relay(ctx context.Context, start *pb.AttachStart) (*pb.Payload, error) {
	var input asked
	if err := mesh.Object(start.Input, &input); err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	here := stop{name, "go", start.Path, time.Until(deadline).Seconds()}
	answer := passed{Text: input.Text}
	if len(input.Route) > 0 {
		if err := a.pass(ctx, start, input, &answer); err != nil {
			return nil, err
		}
	}
	answer.Stops = append([]stop{here}, answer.Stops...)
	return mesh.Payload(answer, start.Input)
}

// pass hands the text to the next agent.
func (a *agent) pass(ctx context.Context, start *pb.AttachStart, input asked, answer *passed) error {
	payload, err := mesh.Payload(asked{input.Route[1:], input.Text}, start.Input)
	if err != nil {
		return err
	}
	output, err := a.call(ctx, start, &pb.InvokeRequest{Agent: input.Route[0], Capability: "relay", Input: payload})
	if err != nil {
		return err
	}
	return mesh.Object(output, answer)
}

// call calls an agent with what is left of the time, and with the token and the trace that continue this call.
func (a *agent) call(ctx context.Context, start *pb.AttachStart, request *pb.InvokeRequest) (*pb.Payload, error) {
	said := []string{"a2a-call-token", start.CallToken}
	if start.Traceparent != "" {
		said = append(said, "traceparent", start.Traceparent)
	}
	response, err := a.mesh.Invoke(metadata.AppendToOutgoingContext(ctx, said...), request)
	if err != nil {
		return nil, err
	}
	return response.Output, nil
}
