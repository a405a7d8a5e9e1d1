//! Signs the tests' own requests of S3, so that no client library has to be trusted.
//!
//! Source: AWS Signature Version 4, "Authenticating requests: using the Authorization header".

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use sha2::{Digest as _, Sha256};

use super::s3::{ACCESS_KEY, REGION, SECRET_KEY};
use crate::env;

/// The headers that sign a request. `path_and_query` needs no escapes, and its query has its names in order.
pub(super) fn headers(method: &Method, host: &str, path_and_query: &str, body: &[u8]) -> [(&'static str, String); 3] {
    let now = jiff::Timestamp::from_second(env::unix_seconds()).expect("the clock is in this millennium");
    let now = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &now[..8];
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let digest = hex(&Sha256::digest(body));
    let signed = "host;x-amz-content-sha256;x-amz-date";
    let request = format!(
        "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n\n{signed}\n{digest}"
    );
    let scope = format!("{day}/{REGION}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
    for part in [day, REGION, "s3", "aws4_request"] {
        key = sign(&key, part);
    }
    let signature = hex(&sign(&key, &text));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={signed}, Signature={signature}");
    [("authorization", authorization), ("x-amz-content-sha256", digest), ("x-amz-date", now)]
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
