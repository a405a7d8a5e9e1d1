//! An HMAC in a header, laid out as the manifest says, or as a sender is known to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use jackfield_core::clock::Timestamp;
use jackfield_core::release::verify::{Encoding, HmacLayout, Piece};

use super::{BadSignature, Expected, Proof, digest, is_id, named, time};

/// What the headers are called in the log: their names are the manifest's.
const SIGNATURE: &str = "of the signature";
const TIMESTAMP: &str = "of the timestamp";
const ID: &str = "of the id";

/// Checks a request that is signed under one of `keys`. `id_header` is the trigger's: a signed text with
/// an id has it from there.
///
/// # Errors
///
/// Why the request is not genuine.
pub(super) fn check(
    layout: &HmacLayout,
    id_header: Option<&str>,
    keys: &[&[u8]],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Proof, BadSignature> {
    let mut written = "";
    if let Some(time_layout) = &layout.timestamp {
        written = named(headers, &time_layout.header, TIMESTAMP)?;
        let at = time(written, time_layout.format).ok_or(BadSignature::Malformed(TIMESTAMP))?;
        if now.since(at).max(at.since(now)) > time_layout.tolerance {
            return Err(BadSignature::Stale);
        }
    }
    let id = match id_header.filter(|_| layout.signed.has(&Piece::Id)) {
        Some(header) => Some(named(headers, header, ID)?),
        None => None,
    };
    let pieces = layout.signed.pieces();
    for (index, piece) in pieces.iter().enumerate() {
        let (Piece::Id, Some(id)) = (piece, id) else { continue };
        // What ends the id must not be in it, or the same signed text could be cut at another place.
        let ended = matches!(pieces.get(index + 1), Some(Piece::Text(text)) if id.contains(text.as_str()));
        if !is_id(id) || ended {
            return Err(BadSignature::Malformed(ID));
        }
    }

    let signature = named(headers, &layout.header, SIGNATURE)?;
    let signature = signature.strip_prefix(layout.prefix.as_str()).ok_or(BadSignature::Malformed(SIGNATURE))?;
    let given = match layout.encoding {
        Encoding::Hex => data_encoding::HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok(),
        Encoding::Base64 => STANDARD.decode(signature).ok(),
    };
    let given = given.ok_or(BadSignature::Malformed(SIGNATURE))?;

    let text: Vec<&[u8]> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Timestamp => written.as_bytes(),
            Piece::Id => id.unwrap_or_default().as_bytes(),
            Piece::Body => body,
        })
        .collect();
    let mut expected = Expected::new(layout.algorithm, keys, &text);
    expected.compare(&given);
    expected.met()?;
    Ok(match id {
        Some(id) => Proof::Known(id.to_owned()),
        None => Proof::Signed(layout.timestamp.is_some().then(|| digest(&text))),
    })
}
