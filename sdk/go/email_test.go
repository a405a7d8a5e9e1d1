package jackfield

import (
	"errors"
	"testing"
)

func TestAMailIsHandedOver(t *testing.T) {
	var asked Mail
	fake(t).sendMail = func(connection string, mail Mail) (string, *refusal) {
		equal(t, connection, "mail")
		asked = mail
		return "<1@example.com>", nil
	}
	id, err := Email.Send(t.Context(), "mail", Mail{
		To:          []string{"a@example.com"},
		Subject:     "Grüße \u2603",
		Text:        "Hi",
		Attachments: []Attachment{{Name: "logo.png", ContentType: "image/png", ContentID: "logo", Data: []byte{0, 255}}},
	})
	equal(t, id, "<1@example.com>")
	equal(t, err, nil)
	equal(t, asked.Attachments[0].ContentID, "logo")
}

func TestAMailThatIsNoTextIsNotSent(t *testing.T) {
	fake(t).sendMail = func(string, Mail) (string, *refusal) { panic("it was asked") }
	for _, mail := range []Mail{{Subject: "\xff"}, {To: []string{"\xff"}}, {Attachments: []Attachment{{Name: "\xff"}}}} {
		_, err := Email.Send(t.Context(), "mail", mail)
		equal(t, errors.Is(err, Invalid), true)
	}
	for _, kind := range []Kind{AccessDenied, Invalid, Refused, Unavailable, TooLarge, InDoubt} {
		fake(t).sendMail = func(string, Mail) (string, *refusal) { return "", &refusal{kind: kind, text: "x"} }
		_, err := Email.Send(t.Context(), "mail", Mail{})
		equal(t, errors.Is(err, kind), true)
		equal(t, failureOf(err).retryable, kind.retryable())
	}
}
