package jackfield

// The host as a component sees it: the contract's generated functions, with the types of this package.
//
// Plain functions, so that what a handler does not call is left out of its component, and need not be granted.

import (
	"log/slog"
	"time"

	exported "github.com/jackfield/jackfield/sdk/go/internal/bindings/export_jackfield_plugin_handler"
	config "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_config"
	events "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_events"
	http "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_http"
	log "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_log"
	run "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_run"
	types "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_types"
	_ "github.com/jackfield/jackfield/sdk/go/internal/bindings/wit_exports"
	wit "github.com/jackfield/jackfield/sdk/go/internal/wit/types"
)

type pair = wit.Tuple2[string, string]

func init() {
	exported.Handle = handleEvent
	slog.SetDefault(slog.New(LogHandler{}))
}

func handleEvent(raw types.Event) exported.Answer {
	output, failed := answer(Event[[]byte]{
		ID:          raw.Id,
		Source:      raw.Source,
		Type:        raw.EventType,
		Subject:     raw.Subject.Some(),
		Time:        instant(raw.Time.Some()),
		ContentType: raw.ContentType.Some(),
		Schema:      raw.Schema.Some(),
		Extensions:  attributesOf(raw.Extensions),
		Meta:        attributesOf(raw.Meta),
		Data:        raw.Data,
	})
	switch {
	case failed != nil:
		return wit.Err[wit.Option[types.Output]](lowerFailure(failed))
	case output == nil:
		return wit.Ok[wit.Option[types.Output], types.Failure](wit.None[types.Output]())
	}
	return wit.Ok[wit.Option[types.Output], types.Failure](wit.Some(types.Output{
		Status:      option(uint16(output.Status)),
		ContentType: option(valid(output.ContentType)),
		Headers:     pairsOf(output.Headers),
		Data:        output.Data,
	}))
}

func lowerFailure(failed *failure) types.Failure {
	if failed.rejected {
		return types.MakeFailureRejected(failed.message)
	}
	return types.MakeFailureError(types.ErrorInfo{
		Name:         failed.name,
		Message:      failed.message,
		Stack:        option(failed.stack),
		Retryable:    failed.retryable,
		RetryAfterMs: option(failed.retryAfter),
	})
}

func hostRun() RunInfo {
	info := run.Current()
	return RunInfo{
		ID:             info.Id,
		Attempt:        int(info.Attempt),
		IdempotencyKey: info.IdempotencyKey,
		Trigger:        info.Trigger,
		Integration:    info.Integration,
		Environment:    info.Environment,
		Component:      info.Component,
		Version:        int(info.Version),
		Deadline:       instant(info.Deadline),
		Traceparent:    info.Traceparent.Some(),
	}
}

func hostRemaining() uint32 { return run.RemainingMs() }

func hostLog(level slog.Level, message string, attributes []Attribute) {
	named := log.LevelError
	switch {
	case level < slog.LevelDebug:
		named = log.LevelTrace
	case level < slog.LevelInfo:
		named = log.LevelDebug
	case level < slog.LevelWarn:
		named = log.LevelInfo
	case level < slog.LevelError:
		named = log.LevelWarn
	}
	log.Write(named, valid(message), pairsOf(attributes))
}

func hostConfigGet(name string) (string, bool, *refusal) {
	result := config.Get(name)
	if result.IsErr() {
		return "", false, &refusal{kind: AccessDenied, text: result.Err().AccessDenied()}
	}
	return result.Ok().Some(), result.Ok().IsSome(), nil
}

func hostConfigAll() (Attributes, *refusal) {
	result := config.GetAll()
	if result.IsErr() {
		return nil, &refusal{kind: AccessDenied, text: result.Err().AccessDenied()}
	}
	return attributesOf(result.Ok()), nil
}

func hostSend(sent request) (*Response, *refusal) {
	lowered := http.Request{
		Method:       sent.method,
		Url:          sent.url,
		Headers:      pairsOf(sent.headers),
		Body:         sent.body,
		TimeoutMs:    option(milliseconds(sent.timeout)),
		MaxRedirects: sent.maxRedirects,
	}
	if !sent.absolute {
		lowered.Connection = wit.Some(sent.connection)
	}
	result := http.Send(lowered)
	if !result.IsErr() {
		response := result.Ok()
		return &Response{Status: int(response.Status), Headers: attributesOf(response.Headers), Body: response.Body}, nil
	}
	switch refused := result.Err(); refused.Tag() {
	case http.ErrorAccessDenied:
		return nil, &refusal{kind: AccessDenied, text: refused.AccessDenied()}
	case http.ErrorInvalid:
		return nil, &refusal{kind: Invalid, text: refused.Invalid()}
	case http.ErrorUnavailable:
		return nil, &refusal{kind: Unavailable, text: refused.Unavailable()}
	case http.ErrorTimeout:
		return nil, &refusal{kind: Timeout, text: refused.Timeout()}
	case http.ErrorInDoubt:
		return nil, &refusal{kind: InDoubt, text: refused.InDoubt()}
	default:
		return nil, &refusal{kind: TooLarge, text: refused.TooLarge()}
	}
}

func hostEmit(drafts []draft) ([]string, *refusal) {
	lowered := make([]events.Draft, len(drafts))
	for i, draft := range drafts {
		lowered[i] = events.Draft{
			Id:           option(draft.ID),
			EventType:    draft.Type,
			Subject:      option(draft.Subject),
			ContentType:  option(draft.ContentType),
			Schema:       option(draft.Schema),
			Extensions:   pairsOf(draft.Extensions),
			Data:         draft.data,
			DelaySeconds: draft.delaySeconds,
		}
	}
	result := events.Emit(lowered)
	if !result.IsErr() {
		return result.Ok(), nil
	}
	switch refused := result.Err(); refused.Tag() {
	case events.ErrorAccessDenied:
		return nil, &refusal{kind: AccessDenied, text: refused.AccessDenied()}
	case events.ErrorInvalid:
		return nil, &refusal{kind: Invalid, text: refused.Invalid()}
	case events.ErrorQuota:
		return nil, &refusal{kind: Quota, text: refused.Quota()}
	case events.ErrorUnavailable:
		return nil, &refusal{kind: Unavailable, text: refused.Unavailable()}
	default:
		return nil, &refusal{kind: TooLarge, text: refused.TooLarge()}
	}
}

// option is none for the zero value.
func option[T comparable](value T) wit.Option[T] {
	var zero T
	if value == zero {
		return wit.None[T]()
	}
	return wit.Some(value)
}

// instant reads RFC 3339; what is none gives the zero time.
func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

func attributesOf(pairs []pair) Attributes {
	attributes := make(Attributes, len(pairs))
	for i, pair := range pairs {
		attributes[i] = Attribute{pair.F0, pair.F1}
	}
	return attributes
}

func pairsOf(attributes []Attribute) []pair {
	pairs := make([]pair, len(attributes))
	for i, attribute := range attributes {
		pairs[i] = pair{F0: valid(attribute.Name), F1: valid(attribute.Value)}
	}
	return pairs
}
