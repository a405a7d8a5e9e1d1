package jackfield

import (
	blob "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_blob"
	wit "github.com/jackfield/jackfield/sdk/go/internal/wit/types"
)

func hostBlobStat(connection, name string) (*ObjectInfo, *refusal) {
	result := blob.Stat(connection, name)
	if result.IsErr() {
		return nil, refusedBlob(result.Err())
	}
	if !result.Ok().IsSome() {
		return nil, nil
	}
	info := infoOf(result.Ok().Some())
	return &info, nil
}

func hostBlobGet(connection, name string, part *part) ([]byte, bool, *refusal) {
	span := wit.None[blob.Range]()
	if part != nil {
		span = wit.Some(blob.Range{Offset: part.offset, Length: part.length})
	}
	result := blob.Get(connection, name, span)
	if result.IsErr() {
		return nil, false, refusedBlob(result.Err())
	}
	return result.Ok().Some(), result.Ok().IsSome(), nil
}

func hostBlobPut(connection string, object Object, data []byte) (string, *refusal) {
	result := blob.Put(connection, blob.Object{
		Name:        object.Name,
		ContentType: option(object.ContentType),
		Metadata:    pairsOf(object.Metadata),
		Data:        data,
	})
	if result.IsErr() {
		return "", refusedBlob(result.Err())
	}
	return result.Ok(), nil
}

func hostBlobRemove(connection, name string) *refusal {
	result := blob.Remove(connection, name)
	if result.IsErr() {
		return refusedBlob(result.Err())
	}
	return nil
}

func hostBlobList(connection, prefix, cursor string, limit uint32) ([]ObjectInfo, string, *refusal) {
	result := blob.ListObjects(connection, prefix, option(cursor), limit)
	if result.IsErr() {
		return nil, "", refusedBlob(result.Err())
	}
	objects := make([]ObjectInfo, len(result.Ok().Objects))
	for i, info := range result.Ok().Objects {
		objects[i] = infoOf(info)
	}
	return objects, result.Ok().Next.Some(), nil
}

func infoOf(info blob.ObjectInfo) ObjectInfo {
	return ObjectInfo{
		Name:        info.Name,
		Size:        int64(info.Size),
		ContentType: info.ContentType.Some(),
		Modified:    instant(info.Modified),
		ETag:        info.Etag,
		Metadata:    attributesOf(info.Metadata),
	}
}

func refusedBlob(refused blob.Error) *refusal {
	switch refused.Tag() {
	case blob.ErrorAccessDenied:
		return &refusal{kind: AccessDenied, text: refused.AccessDenied()}
	case blob.ErrorInvalid:
		return &refusal{kind: Invalid, text: refused.Invalid()}
	case blob.ErrorRefused:
		return &refusal{kind: Refused, text: refused.Refused()}
	case blob.ErrorUnavailable:
		return &refusal{kind: Unavailable, text: refused.Unavailable()}
	default:
		return &refusal{kind: TooLarge, text: refused.TooLarge()}
	}
}
