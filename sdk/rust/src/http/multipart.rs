//! Forms with files: `multipart/form-data`.

/// A field of a form with files. See [`Request::multipart`](super::Request::multipart).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    data: Vec<u8>,
}

impl Part {
    /// A field that holds text.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), file_name: None, content_type: None, data: text.into().into_bytes() }
    }

    /// A field that holds a file of this name and media type.
    pub fn file(
        name: impl Into<String>,
        file_name: impl Into<String>,
        content_type: impl Into<String>,
        data: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            name: name.into(),
            file_name: Some(file_name.into()),
            content_type: Some(content_type.into()),
            data: data.into(),
        }
    }

    fn write(self, body: &mut Vec<u8>) {
        let mut head = format!("content-disposition: form-data; name=\"{}\"", quoted(&self.name));
        if let Some(file_name) = &self.file_name {
            head.push_str(&format!("; filename=\"{}\"", quoted(file_name)));
        }
        if let Some(content_type) = &self.content_type {
            head.push_str(&format!("\r\ncontent-type: {}", quoted(content_type)));
        }
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&self.data);
        body.extend_from_slice(b"\r\n");
    }
}

/// A body of parts, and the boundary between them.
pub(super) fn multipart(parts: impl IntoIterator<Item = Part>) -> (Vec<u8>, String) {
    let parts: Vec<Vec<u8>> = parts
        .into_iter()
        .map(|part| {
            let mut written = Vec::new();
            part.write(&mut written);
            written
        })
        .collect();
    // The same each time: a run that is tried again must ask for the same.
    let mut number = 0_u32;
    let boundary = loop {
        let line = format!("--jackfield-{number}");
        if !parts.iter().any(|part| part.windows(line.len()).any(|bytes| bytes == line.as_bytes())) {
            break format!("jackfield-{number}");
        }
        number += 1;
    };
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        body.extend_from_slice(&part);
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (body, boundary)
}

/// As browsers write a name or the like in a header.
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_files_is_sent_as_browsers_do() {
        let csv = Part::file("file", "ü \"1\".csv", "text/csv", *b"--jackfield-0\xff");
        let (body, boundary) = multipart([Part::text("note", "Zoë"), csv]);
        assert_eq!(boundary, "jackfield-1");
        let mut expected = "--jackfield-1\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nZoë\r\n\
             --jackfield-1\r\ncontent-disposition: form-data; name=\"file\"; filename=\"ü %221%22.csv\"\r\n\
             content-type: text/csv\r\n\r\n--jackfield-0"
            .as_bytes()
            .to_vec();
        expected.extend_from_slice(b"\xff\r\n--jackfield-1--\r\n");
        assert_eq!(String::from_utf8_lossy(&body), String::from_utf8_lossy(&expected));
        assert_eq!(multipart([]).0, b"--jackfield-0--\r\n");
    }
}
