package jackfield

import "context"

// Email is mail through mail connections of the manifest.
//
// A mail that was sent is not sent again by a run that is tried again.
var Email Mailer

// Mailer sends mail. See [Email].
type Mailer struct{}

// Mail is a mail to be. Addresses are jane@example.com or Jane Doe <jane@example.com>.
type Mail struct {
	// Sender is the connection's if it is "".
	Sender string
	To     []string
	CC     []string
	// BCC are recipients that the others do not see.
	BCC []string
	// ReplyTo is where answers go to.
	ReplyTo []string
	Subject string
	// Text and HTML: at least one of them; with both the reader chooses.
	Text string
	HTML string
	// Headers are further headers.
	Headers     Attributes
	Attachments []Attachment
}

// Attachment is a file that goes with a mail.
type Attachment struct {
	// Name of the file.
	Name string
	// ContentType is its media type.
	ContentType string
	// ContentID is what the HTML refers to it by: <img src="cid:logo"> shows the image whose ID is logo.
	ContentID string
	Data      []byte
}

// Send hands a mail to the server and returns its message ID. That the server took it does not mean that it arrives.
//
// It fails with [AccessDenied] if the manifest does not grant the sender or a recipient, with [Invalid] if an address or
// a header is none, with [Refused] if the server refused the mail for good, with [TooLarge] if it is larger than 8 MiB
// (unless the manifest says otherwise), with [InDoubt] if the server's answer is missing.
func (Mailer) Send(ctx context.Context, connection string, mail Mail) (string, error) {
	texts := append(mail.Headers.texts(), connection, mail.Sender, mail.Subject, mail.Text, mail.HTML)
	for _, addresses := range [][]string{mail.To, mail.CC, mail.BCC, mail.ReplyTo} {
		texts = append(texts, addresses...)
	}
	for _, file := range mail.Attachments {
		texts = append(texts, file.Name, file.ContentType, file.ContentID)
	}
	if err := ready(ctx, texts...); err != nil {
		return "", err
	}
	id, refused := hostSendMail(connection, mail)
	if refused != nil {
		return "", refused.error("")
	}
	return id, nil
}
