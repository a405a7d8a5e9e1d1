//! SOAP: an envelope around a body, sent by [`Http`], and what the answer's envelope holds.

mod xml;

use std::fmt;
use std::time::Duration;

use crate::Http;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Response;

pub use xml::Element;

const NAMESPACE_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const NAMESPACE_12: &str = "http://www.w3.org/2003/05/soap-envelope";

impl Http {
    /// Begins a call of a SOAP service at `path` on a connection: a POST, which has to be granted.
    ///
    /// ```no_run
    /// # fn example(cx: jackfield::Context) -> jackfield::Result<()> {
    /// use jackfield::soap::Element;
    ///
    /// let body = Element::new("GetOrder").namespace("urn:orders").field("id", 7);
    /// let answer = cx.http.soap("crm", "/orders.asmx").action("urn:orders/GetOrder").body(body).send()?;
    /// let status = answer.text("Status");
    /// # Ok(())
    /// # }
    /// ```
    pub fn soap(&self, connection: impl Into<String>, path: impl Into<String>) -> Call {
        Call {
            connection: connection.into(),
            path: path.into(),
            version_12: false,
            action: None,
            header: String::new(),
            body: String::new(),
            headers: Vec::new(),
            timeout: None,
        }
    }
}

/// A call that is being put together; nothing happens before [`Call::send`].
#[derive(Clone, Debug)]
#[must_use = "a call is not made before `send`"]
pub struct Call {
    connection: String,
    path: String,
    version_12: bool,
    action: Option<String>,
    header: String,
    body: String,
    headers: Vec<(String, String)>,
    timeout: Option<Duration>,
}

impl Call {
    /// Speaks SOAP 1.2; without this it is 1.1.
    pub fn version_12(mut self) -> Self {
        self.version_12 = true;
        self
    }

    /// Sets what the service calls the action; 1.1 has it in `soapaction`, 1.2 in the content type.
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Sets the body: XML, such as an [`Element`].
    pub fn body(mut self, xml: impl fmt::Display) -> Self {
        self.body = xml.to_string();
        self
    }

    /// Sets the header's content: XML.
    pub fn header(mut self, xml: impl fmt::Display) -> Self {
        self.header = xml.to_string();
        self
    }

    /// Adds a header of the request.
    pub fn http_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Waits no longer than this for the whole answer. Otherwise the connection's own limit holds.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sends the envelope and reads the answer's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SoapFault`] if the service says that it failed: [`Error::fault`] is what it says, and its own faults
    /// (`Server`, `Receiver`) may pass. Any other answer that is no envelope is [`ErrorKind::Status`], or an error named
    /// `answer`.
    #[track_caller]
    pub fn send(self) -> Result<Answer> {
        let mut request = Http::default().post(&self.connection, &self.path);
        for (name, value) in self.headers.iter().cloned().chain(self.own_headers()) {
            request = request.header(name, value);
        }
        if let Some(limit) = self.timeout {
            request = request.timeout(limit);
        }
        let path = self.path.split(['?', '#']).next().unwrap_or_default();
        let what = format!("POST {} {path}", self.connection);
        answer(request.body(self.envelope()).send()?, &what)
    }

    fn envelope(&self) -> String {
        let namespace = if self.version_12 { NAMESPACE_12 } else { NAMESPACE_11 };
        let header =
            if self.header.is_empty() { String::new() } else { format!("<soap:Header>{}</soap:Header>", self.header) };
        let body = &self.body;
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"{namespace}\">{header}\
             <soap:Body>{body}</soap:Body></soap:Envelope>"
        )
    }

    fn own_headers(&self) -> Vec<(String, String)> {
        let quoted = |action: &str| format!("\"{}\"", action.replace('\\', "\\\\").replace('"', "\\\""));
        let header = |name: &str, value: String| (name.to_owned(), value);
        if !self.version_12 {
            let action = quoted(self.action.as_deref().unwrap_or_default());
            return vec![header("content-type", "text/xml; charset=utf-8".into()), header("soapaction", action)];
        }
        let action = self.action.as_deref().map(|action| format!("; action={}", quoted(action))).unwrap_or_default();
        vec![header("content-type", format!("application/soap+xml; charset=utf-8{action}"))]
    }
}

/// A SOAP service's answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP response.
    pub response: Response,
    /// What the body holds: XML, each of its elements with the declarations that it needs.
    pub body: String,
    /// What the header holds, likewise; empty if there is none.
    pub header: String,
    read: xml::Node,
}

impl Answer {
    /// The text of the body's first element of this name, whatever its prefix and however deep.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.texts(name).into_iter().next()
    }

    /// The texts of all elements of this name.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.read.find(name, &mut found);
        found.into_iter().map(xml::Node::all_text).collect()
    }
}

/// A SOAP service's own answer that it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Its code, such as `soap:Client`.
    pub code: String,
    /// Its text for people.
    pub reason: String,
    /// What else it says: XML; empty if nothing.
    pub detail: String,
}

#[track_caller]
fn answer(response: Response, what: &str) -> Result<Answer> {
    let unexpected =
        |problem: &str| Error::new(format_args!("{what}: the answer is not as expected: {problem}")).named("answer");
    let source = match response.body.text() {
        Ok(source) => source.to_owned(),
        Err(_) => {
            // Whoever answers so is no service, but a proxy or a server that is down.
            response.error_for_status()?;
            return Err(unexpected("it is not UTF-8"));
        }
    };
    let root = match xml::parse(&source) {
        Ok(root) => root,
        Err(problem) => {
            response.error_for_status()?;
            return Err(unexpected(&problem));
        }
    };
    let envelope = root.local == "Envelope" && [NAMESPACE_11, NAMESPACE_12].contains(&root.namespace.as_str());
    let own = |of: &xml::Node, name: &str| {
        of.children.iter().position(|child| child.local == name && child.namespace == root.namespace)
    };
    let Some(body) = own(&root, "Body").filter(|_| envelope).map(|at| &root.children[at]) else {
        response.error_for_status()?;
        return Err(unexpected("it is no SOAP envelope"));
    };
    if let Some(at) = own(body, "Fault") {
        return Err(fault(&source, &body.children[at], what));
    }
    let header = own(&root, "Header").map(|at| root.children[at].content(&source)).unwrap_or_default();
    let (body, read) = (body.content(&source), body.clone());
    Ok(Answer { response: response.error_for_status()?, body, header, read })
}

#[track_caller]
fn fault(source: &str, fault: &xml::Node, what: &str) -> Error {
    let of = |parent: &str, child: &str, plain: &str| {
        fault.child(parent).and_then(|parent| parent.child(child)).or_else(|| fault.child(plain))
    };
    let code = of("Code", "Value", "faultcode").map(|code| code.text.trim().to_owned()).unwrap_or_default();
    let reason = of("Reason", "Text", "faultstring").map(|text| text.all_text().trim().to_owned()).unwrap_or_default();
    let detail = fault.child("Detail").or_else(|| fault.child("detail"));
    let detail = detail.map(|detail| detail.content(source)).unwrap_or_default();
    let local = code.rsplit(':').next().unwrap_or_default();
    // The service's fault may pass; the caller's will not.
    let passes = matches!(local.split('.').next(), Some("Server" | "Receiver"));
    let error = Error::of(ErrorKind::SoapFault, format_args!("{what}: {code}: {reason}"));
    let error = if passes { error.retryable() } else { error };
    error.with_fault(Fault { code, reason, detail })
}

#[cfg(test)]
mod tests;
