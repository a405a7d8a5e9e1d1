//! What a server's answers say: a list of objects, and what a refusal means for a call.
//!
//! Not here: how the answers come (`courier.rs`).

use jackfield_core::ports::http::HttpFailure;
use jackfield_core::ports::outward::Failure;

use super::courier::Came;

/// An object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// The whole key.
    pub(super) key: String,
    pub(super) size: u64,
    /// As the server writes it: RFC 3339.
    pub(super) modified: String,
    /// Without the quotes around it.
    pub(super) etag: String,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) objects: Vec<Listed>,
    /// There are more behind the last one.
    pub(super) more: bool,
}

impl Page {
    /// Reads what a server answered to `ListObjectsV2`; none if it is something else.
    pub(super) fn read(xml: &str) -> Option<Self> {
        let (_, all, _) = element(xml, "ListBucketResult")?;
        let mut page = Self { more: text(all, "IsTruncated").is_some_and(|text| text == "true"), ..Self::default() };
        let mut rest = all;
        while let Some((_, object, after)) = element(rest, "Contents") {
            page.objects.push(Listed {
                key: text(object, "Key")?,
                size: text(object, "Size")?.parse().ok()?,
                modified: text(object, "LastModified")?,
                etag: unquoted(&text(object, "ETag").unwrap_or_default()).to_owned(),
            });
            rest = after;
        }
        Some(page)
    }
}

/// An etag without the quotes that HTTP puts around it.
pub(super) fn unquoted(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(etag)
}

/// The first element of this name: what is before, in, and behind it. Enough for S3's answers, whose elements of one
/// name are never inside each other.
fn element<'a>(xml: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let mut from = 0;
    loop {
        let start = from + xml.get(from..)?.find(&format!("<{name}"))?;
        let behind = start + 1 + name.len();
        // `<Key` is also the beginning of `<KeyCount`.
        match xml.as_bytes().get(behind)? {
            b'>' | b' ' | b'\t' | b'\r' | b'\n' | b'/' => {
                let open = behind + xml.get(behind..)?.find('>')?;
                if xml.as_bytes().get(open - 1) == Some(&b'/') {
                    return Some((&xml[..start], "", &xml[open + 1..]));
                }
                let close = open + 1 + xml.get(open + 1..)?.find(&format!("</{name}>"))?;
                return Some((&xml[..start], &xml[open + 1..close], &xml[close + name.len() + 3..]));
            }
            _ => from = behind,
        }
    }
}

fn text(xml: &str, name: &str) -> Option<String> {
    element(xml, name).and_then(|(_, inside, _)| unescaped(inside))
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => {
                let number = other.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// A refusal in the server's own code and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// `NoSuchKey` and so on; the status if it says none.
    pub(super) code: String,
    message: String,
}

impl Refusal {
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let part = |name: &str, most: usize| -> Option<String> {
            let text = text(&body, name)?;
            Some(text.chars().filter(|c| !c.is_control()).take(most).collect())
        };
        let code = part("Code", 64).filter(|code| !code.is_empty()).unwrap_or_else(|| status.to_string());
        Self { status, code, message: part("Message", 300).unwrap_or_default() }
    }

    /// What it means. `secret` is the name of the connection's.
    pub(super) fn failure(self, about: &str, secret: &str) -> Failure {
        let Self { status, code, message } = self;
        let told = format!("{about}: the server answered {status} {code}: {message}");
        let told = told.trim_end_matches([':', ' ']).to_owned();
        match (code.as_str(), status) {
            (
                // The last is VersityGW's word for the first.
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "InvalidSecurity"
                | "AuthFailure"
                | "InvalidToken"
                | "ExpiredToken"
                | "XAdminUserNotFound",
                _,
            )
            | (_, 401) => Failure::NotExecuted(format!(
                "the server does not take the connection's credential (secret `{secret}`, or `credential.access_key`): {told}"
            )),
            ("RequestTimeTooSkewed", _) => Failure::NotExecuted(format!(
                "{told}; the clocks of this machine and of the server differ by more than it allows"
            )),
            ("AuthorizationHeaderMalformed", _) => {
                Failure::NotExecuted(format!("{told}; does the connection's `region` fit the bucket?"))
            }
            ("SlowDown" | "ServiceUnavailable" | "RequestTimeout" | "OperationAborted" | "TooManyRequests", _)
            | (_, 429 | 503) => Failure::NotExecuted(told),
            (_, 500..) => Failure::Broken { message: told, timed_out: false },
            (_, 300..=399) => Failure::Refused {
                code,
                message: format!(
                    "{told}; redirects are not followed: set `region`, or `endpoint`, to where the bucket is"
                ),
            },
            _ => Failure::Refused { code, message: told },
        }
    }
}

/// What became of a call that brought nothing.
pub(super) fn failure(came: Option<Came>, about: &str, secret: &str, library: &object_store::Error) -> Failure {
    match came {
        Some(Came::Refused { status, body }) => Refusal::read(status, &body).failure(about, secret),
        Some(Came::Lost(HttpFailure::Denied(text))) => Failure::Denied(text),
        Some(Came::Lost(HttpFailure::Invalid(text))) => Failure::Invalid(text),
        Some(Came::Lost(HttpFailure::NotSent(text))) => Failure::NotExecuted(text),
        Some(Came::Lost(HttpFailure::Broken { message, timed_out })) => {
            Failure::Broken { message: format!("{about}: {message}"), timed_out }
        }
        Some(Came::Lost(other)) => Failure::Broken { message: format!("{about}: {other}"), timed_out: false },
        Some(Came::Ok) => Failure::Broken {
            message: format!("{about}: the server's answer is not one of S3 ({library})"),
            timed_out: false,
        },
        None => Failure::Invalid(format!("{about}: {library}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><KeyCount>2</KeyCount>
<IsTruncated>true</IsTruncated><Contents><Key>a &amp; b&#x20;&#252;.txt</Key><LastModified>2026-07-01T10:00:00.000Z</LastModified>
<ETag>&quot;0123&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>
<Contents><Key>x//y</Key><LastModified>2026-07-01T10:00:01Z</LastModified><ETag>"4"</ETag><Size>0</Size></Contents>
</ListBucketResult>"#;
        let page = Page::read(xml).unwrap();
        assert!(page.more);
        let one = |key: &str, modified: &str, etag: &str, size| Listed {
            key: key.into(),
            size,
            modified: modified.into(),
            etag: etag.into(),
        };
        let expected =
            [one("a & b ü.txt", "2026-07-01T10:00:00.000Z", "0123", 7), one("x//y", "2026-07-01T10:00:01Z", "4", 0)];
        assert_eq!(page.objects, expected);
        assert_eq!(Page::read("<ListBucketResult/>"), Some(Page::default()));
        for cut in (1..xml.len()).filter(|cut| xml.is_char_boundary(*cut)) {
            // Cut anywhere, it is not taken for the whole.
            assert!(Page::read(&xml[..cut]).is_none(), "{cut}");
        }
        assert!(Page::read("<html>hello</html>").is_none());
    }

    #[test]
    fn refusals_are_told_apart() {
        let told = |status, code: &str| {
            let xml = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            Refusal::read(status, xml.as_bytes()).failure("get `a`", "key")
        };
        for code in ["InvalidAccessKeyId", "SignatureDoesNotMatch"] {
            assert!(matches!(told(403, code), Failure::NotExecuted(text) if text.contains("credential")), "{code}");
        }
        for (status, code) in [(403, "AccessDenied"), (404, "NoSuchBucket"), (301, "PermanentRedirect")] {
            assert!(matches!(told(status, code), Failure::Refused { code: c, .. } if c == code), "{code}");
        }
        for (status, code) in [(503, "SlowDown"), (503, ""), (400, "RequestTimeout"), (409, "OperationAborted")] {
            assert!(matches!(told(status, code), Failure::NotExecuted(_)), "{code}");
        }
        assert!(matches!(told(500, "InternalError"), Failure::Broken { timed_out: false, .. }));
        assert!(matches!(Refusal::read(403, b"").failure("x", "y"), Failure::Refused { code, .. } if code == "403"));
    }
}
