// Opens a GitHub issue for every new ServiceNow feature request.
//
// A webhook announces a request by its number. The handler reads the record, since an announcement may be older than
// it; opens an issue, unless it did so before; and remembers which. Every five minutes a sweep looks for requests that
// nobody announced.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

const (
	table  = "/api/now/table/u_feature_request"
	fields = "sys_id,number,short_description,description,opened_by.name,sys_created_on"
	// Up to where the sweeps have come: the creation time of the last record they saw.
	watermark = "sweep/watermark"
	// Records that a sweep asks for at once, unless the setting sweep-page says otherwise.
	usualPage = 100
)

// The number becomes part of a query, where ^ begins a further condition.
var number = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

type featureRequest struct {
	SysID            string `json:"sys_id"`
	Number           string `json:"number"`
	ShortDescription string `json:"short_description"`
	Description      string `json:"description"`
	OpenedBy         string `json:"opened_by.name"`
	SysCreatedOn     string `json:"sys_created_on"`
}

// issue is what is remembered of an opened issue.
type issue struct {
	Number  int    `json:"number"`
	HTMLURL string `json:"html_url"`
}

func init() { jackfield.Handle(onEvent) }

func main() {}

func onEvent(ctx context.Context, event jackfield.Event[json.RawMessage]) (*jackfield.Output, error) {
	if event.Type == "jackfield.cron" {
		return sweep(ctx)
	}
	var announcement struct {
		Number string `json:"number"`
	}
	if err := json.Unmarshal(event.Data, &announcement); err != nil {
		return nil, jackfield.Rejectedf("the announcement: %w", err)
	}
	return announced(ctx, announcement.Number)
}

// announced opens the issue of one request.
func announced(ctx context.Context, wanted string) (*jackfield.Output, error) {
	if !number.MatchString(wanted) {
		return nil, jackfield.Rejectedf("`%s` is not the number of a feature request", wanted)
	}
	requests, err := read(ctx, "number="+wanted, 1, 0)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		// Announced and not there yet: its transaction may still be open, so a later attempt may find it.
		return nil, jackfield.Errorf("%s is not in ServiceNow", wanted).Named("not-there")
	}
	issue, created, err := issueOf(ctx, requests[0])
	if err != nil {
		return nil, err
	}
	status := 200
	if created {
		status = 201
	}
	answer := map[string]any{"issue": issue.Number, "url": issue.HTMLURL, "created": created}
	return jackfield.JSON(answer, jackfield.WithStatus(status))
}

// sweep looks at every request created since the last sweep, page by page, oldest first.
func sweep(ctx context.Context) (*jackfield.Output, error) {
	page := usualPage
	if _, err := jackfield.Config.JSON("sweep-page", &page); err != nil {
		return nil, err
	}
	since := ""
	if _, err := jackfield.KV.Get(ctx, watermark, &since); err != nil {
		return nil, err
	}
	from := since
	if from == "" {
		from = "2000-01-01 00:00:00"
	}
	// Times have whole seconds: those of the watermark's own second are looked at again.
	query := fmt.Sprintf("sys_created_on>=%s^ORDERBYsys_created_on^ORDERBYsys_id", from)
	swept, opened, last := 0, 0, since
	for {
		requests, err := read(ctx, query, page, swept)
		if err != nil {
			return nil, err
		}
		swept += len(requests)
		for _, request := range requests {
			_, created, err := issueOf(ctx, request)
			if err != nil {
				return nil, err
			}
			if created {
				opened++
			}
			last = request.SysCreatedOn
		}
		if len(requests) < page {
			break
		}
	}
	// After the issues: a sweep that fails begins where the one before ended.
	if last != since {
		if err := jackfield.KV.Set(ctx, watermark, last); err != nil {
			return nil, err
		}
	}
	slog.Info("swept", "swept", swept, "opened", opened)
	return jackfield.JSON(map[string]int{"swept": swept, "opened": opened})
}

// read asks the Table API for records.
func read(ctx context.Context, query string, limit, offset int) ([]featureRequest, error) {
	response, err := jackfield.HTTP.Get("servicenow", table).
		Query("sysparm_query", query).
		Query("sysparm_fields", fields).
		Query("sysparm_limit", limit).
		Query("sysparm_offset", offset).
		Header("accept", "application/json").
		Send(ctx)
	if err != nil {
		return nil, err
	}
	if err := response.ErrorForStatus(); err != nil {
		return nil, err
	}
	var answer struct {
		Result []featureRequest `json:"result"`
	}
	err = response.JSON(&answer)
	return answer.Result, err
}

// issueOf gives the issue of a request, and whether it was opened just now.
func issueOf(ctx context.Context, request featureRequest) (opened issue, created bool, err error) {
	key := "seen/" + request.Number
	found, err := jackfield.KV.Get(ctx, key, &opened)
	if err != nil {
		return opened, false, err
	}
	if found {
		slog.Info(request.Number+" has an issue already", "issue", opened.Number)
		return opened, false, nil
	}
	if opened, err = open(ctx, request); err != nil {
		return opened, false, err
	}
	if err := jackfield.KV.Set(ctx, key, opened); err != nil {
		return opened, false, err
	}
	slog.Info("opened an issue for "+request.Number, "issue", opened.Number)
	return opened, true, nil
}

// open opens an issue for a request.
func open(ctx context.Context, request featureRequest) (opened issue, err error) {
	repository, err := jackfield.Config.Require("repository")
	if err != nil {
		return opened, err
	}
	requested := fmt.Sprintf("Requested by %s in ServiceNow: %s (%s)", request.OpenedBy, request.Number, request.SysID)
	response, err := jackfield.HTTP.Post("github", "/repos/"+repository+"/issues").
		Header("accept", "application/vnd.github+json").
		Header("x-github-api-version", "2022-11-28").
		JSON(map[string]any{
			"title":  request.ShortDescription,
			"body":   request.Description + "\n\n" + requested,
			"labels": []string{"feature-request"},
		}).
		Send(ctx)
	if err != nil {
		return opened, err
	}
	if err := response.ErrorForStatus(); err != nil {
		return opened, err
	}
	return opened, response.JSON(&opened)
}
