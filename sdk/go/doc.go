// Package jackfield lets you write Jackfield integrations in Go.
//
// An integration is a function that handles an event. The host calls it in a fresh sandbox, keeps the event until it is
// handled, and adds the credentials to its calls.
//
//	package main
//
//	import (
//		"context"
//
//		jackfield "github.com/jackfield/jackfield/sdk/go"
//	)
//
//	type featureRequest struct {
//		Number string `json:"number"`
//		Title  string `json:"title"`
//	}
//
//	func init() { jackfield.Handle(onRequest) }
//
//	func main() {}
//
//	func onRequest(ctx context.Context, event jackfield.Event[featureRequest]) (*jackfield.Output, error) {
//		response, err := jackfield.HTTP.Post("github", "/repos/acme/app/issues").
//			JSON(map[string]string{"title": event.Data.Title}).
//			Send(ctx)
//		if err != nil {
//			return nil, err
//		}
//		if err := response.ErrorForStatus(); err != nil {
//			return nil, err
//		}
//		var issue struct{ Number int }
//		if err := response.JSON(&issue); err != nil {
//			return nil, err
//		}
//		return jackfield.JSON(issue)
//	}
//
// What the component may do (which connection, which paths, which keys) is granted in the integration's jackfield.toml;
// a call outside the grants fails with [AccessDenied].
//
// # Events may come twice
//
// A run that fails is tried again. Calls that changed something and succeeded are not made again: the handler gets their
// recorded answers. That works because a handler asks for the same things in the same order when it is tried again, so
// let no call depend on [RunInfo].Attempt.
package jackfield
