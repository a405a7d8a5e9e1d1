package jackfield

import (
	"context"
	"iter"
	"time"
)

// Blob is named objects in storage connections of the manifest: a directory, S3 and so on. An object is written and read
// as a whole, or read in parts; a call carries at most 4 MiB, unless the manifest says otherwise.
var Blob Storage

// Storage keeps objects. See [Blob].
type Storage struct{}

// ObjectInfo is what is known of an object.
type ObjectInfo struct {
	Name string
	// Size in bytes.
	Size int64
	// ContentType is the media type, or "".
	ContentType string
	// Modified is when it was written.
	Modified time.Time
	// ETag changes when the content changes. Opaque.
	ETag string
	// Metadata is your own. Empty in [Storage.List].
	Metadata Attributes
}

// Object is an object to be written.
type Object struct {
	// Name, such as 2026/7.pdf.
	Name string
	// ContentType is the media type; application/json if it is "" and Data is written as JSON.
	ContentType string
	// Metadata is your own.
	Metadata Attributes
	// Data is the content: []byte, json.RawMessage and string as they are, anything else as JSON.
	Data any
}

// Stat gives what is known of an object; nil if there is none.
//
// It fails with [AccessDenied] if the manifest does not grant the name, with [Invalid] if it is not one, with [Refused]
// if the storage does not do it: the bucket is not there, or the credential may not.
func (Storage) Stat(ctx context.Context, connection, name string) (*ObjectInfo, error) {
	if err := ready(ctx, connection, name); err != nil {
		return nil, err
	}
	found, refused := hostBlobStat(connection, name)
	if refused != nil {
		return nil, refused.error("")
	}
	return found, nil
}

// Get gives an object's bytes; nil if there is no object. It fails with [TooLarge] if they are more than a call can
// carry: then read it in parts.
func (Storage) Get(ctx context.Context, connection, name string) ([]byte, error) {
	return get(ctx, connection, name, nil)
}

// GetRange gives a part of an object: length bytes from offset on, or as many as there are; nil if there is no object.
// It fails with [Invalid] if the object ends before the part begins.
func (Storage) GetRange(ctx context.Context, connection, name string, offset int64, length uint32) ([]byte, error) {
	if offset < 0 {
		return nil, newError(Invalid, "a part begins at 0 or later")
	}
	return get(ctx, connection, name, &part{uint64(offset), length})
}

func get(ctx context.Context, connection, name string, part *part) ([]byte, error) {
	if err := ready(ctx, connection, name); err != nil {
		return nil, err
	}
	data, found, refused := hostBlobGet(connection, name, part)
	switch {
	case refused != nil:
		return nil, refused.error("")
	case found && data == nil:
		return []byte{}, nil
	}
	return data, nil
}

// part is a part of an object.
type part struct {
	offset uint64
	length uint32
}

// Put writes an object, over an earlier one of that name. Returns its etag.
func (Storage) Put(ctx context.Context, connection string, object Object) (string, error) {
	var data []byte
	if text, ok := object.Data.(string); ok {
		data = []byte(text)
	} else {
		encoded, problem := encode("the data", object.Data)
		if problem != nil {
			return "", problem
		}
		data = encoded
		if _, bytes := object.Data.([]byte); !bytes && object.ContentType == "" {
			object.ContentType = "application/json"
		}
	}
	texts := append(object.Metadata.texts(), connection, object.Name, object.ContentType)
	if err := ready(ctx, texts...); err != nil {
		return "", err
	}
	etag, refused := hostBlobPut(connection, object, data)
	if refused != nil {
		return "", refused.error("")
	}
	return etag, nil
}

// Remove removes an object. No error if there is none.
func (Storage) Remove(ctx context.Context, connection, name string) error {
	if err := ready(ctx, connection, name); err != nil {
		return err
	}
	if refused := hostBlobRemove(connection, name); refused != nil {
		return refused.error("")
	}
	return nil
}

// List are the objects whose names start with prefix, in ascending order, read page by page as they are asked for.
// Objects written meanwhile may be missing. After an error there are no more.
func (Storage) List(ctx context.Context, connection, prefix string) iter.Seq2[ObjectInfo, error] {
	const page = 1_000
	return func(yield func(ObjectInfo, error) bool) {
		for cursor := ""; ; {
			if err := ready(ctx, connection, prefix); err != nil {
				yield(ObjectInfo{}, err)
				return
			}
			objects, next, refused := hostBlobList(connection, prefix, cursor, page)
			if refused != nil {
				yield(ObjectInfo{}, refused.error(""))
				return
			}
			for _, object := range objects {
				if !yield(object, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			cursor = next
		}
	}
}
