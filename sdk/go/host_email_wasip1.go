package jackfield

import (
	email "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_email"
)

func hostSendMail(connection string, mail Mail) (string, *refusal) {
	attachments := make([]email.Attachment, len(mail.Attachments))
	for i, file := range mail.Attachments {
		attachments[i] = email.Attachment{
			Name:        file.Name,
			ContentType: file.ContentType,
			ContentId:   option(file.ContentID),
			Data:        file.Data,
		}
	}
	result := email.Send(connection, email.Mail{
		Sender:      option(mail.Sender),
		To:          mail.To,
		Cc:          mail.CC,
		Bcc:         mail.BCC,
		ReplyTo:     mail.ReplyTo,
		Subject:     mail.Subject,
		Text:        option(mail.Text),
		Html:        option(mail.HTML),
		Headers:     pairsOf(mail.Headers),
		Attachments: attachments,
	})
	if !result.IsErr() {
		return result.Ok(), nil
	}
	switch refused := result.Err(); refused.Tag() {
	case email.ErrorAccessDenied:
		return "", &refusal{kind: AccessDenied, text: refused.AccessDenied()}
	case email.ErrorInvalid:
		return "", &refusal{kind: Invalid, text: refused.Invalid()}
	case email.ErrorRefused:
		return "", &refusal{kind: Refused, text: refused.Refused()}
	case email.ErrorUnavailable:
		return "", &refusal{kind: Unavailable, text: refused.Unavailable()}
	case email.ErrorTooLarge:
		return "", &refusal{kind: TooLarge, text: refused.TooLarge()}
	default:
		return "", &refusal{kind: InDoubt, text: refused.InDoubt()}
	}
}
