//! Files a plan refers to: what they are, and for which of them the record is enough.
//!
//! A plan names a path; a recorded one adds length and hash, and its files are not looked up any more. A plan that
//! states a hash is refused when the file has another.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::data::{Attachment, FileFact};
use crate::reader::{Field, Reader};
use crate::tree::Value;

/// A path and, in a recorded plan, `bytes` and `sha256` beside it.
pub(super) struct Stated {
    pub(super) fact: FileFact,
    /// `None` in a recorded plan, and for a file that could not be read, which was reported.
    pub(super) content: Option<Vec<u8>>,
}

/// A file that is sent as it is: `"photo.jpg"`, or `{ path = "photo.jpg", sha256 = "..." }`.
pub(super) fn attachment(field: &Field<'_>) -> Attachment {
    let stated = match &field.node.value {
        Value::Table(_) => {
            let reader = field.table(&format!("`{}`", field.key));
            let path = reader.required("path", "\"photo.jpg\"", |field| Some(Field { ..*field }));
            let stated = path.map(|path| read(&path, &reader));
            reader.finish();
            stated
        }
        _ => Some(read_path(field, None, None)),
    };
    let stated = stated.unwrap_or_else(|| Stated { fact: fact(String::new(), &[]), content: None });
    Attachment { file: stated.fact, content: stated.content.map(Arc::from) }
}

/// Reads the file at `path`; `bytes` and `sha256` stand in the same table.
pub(super) fn read(path: &Field<'_>, reader: &Reader<'_>) -> Stated {
    let bytes = reader.optional("bytes", |field| field.whole(0));
    let sha256 = reader.field("sha256");
    read_path(path, bytes, sha256.as_ref())
}

fn read_path(field: &Field<'_>, bytes: Option<u64>, sha256: Option<&Field<'_>>) -> Stated {
    let stated = |path: String, sha256: Option<String>| FileFact {
        path,
        bytes: bytes.unwrap_or(0),
        sha256: sha256.unwrap_or_default(),
    };
    let Some(path) = field.text("the path of a file").map(|text| text.content) else {
        return Stated { fact: stated(String::new(), None), content: None };
    };
    let hash = sha256.and_then(|field| field.text("a hash in hexadecimal digits")).map(|text| text.content);
    if field.context.recorded {
        return Stated { fact: stated(path, hash), content: None };
    }
    match (field.context.surroundings.file)(&path) {
        Ok(content) => {
            let fact = fact(path, &content);
            if let (Some(field), Some(hash)) = (sha256, hash)
                && hash != fact.sha256
            {
                let help = format!("its hash is {}: write that if the new content is meant", fact.sha256);
                field.reject(format!("`{}` has changed", fact.path), help);
            }
            Stated { fact, content: Some(content) }
        }
        Err(error) => {
            let help = "relative paths start at the plan's own directory; check the name and that it may be read";
            field.reject(format!("the file cannot be read: {error}"), help);
            Stated { fact: stated(path, hash), content: None }
        }
    }
}

fn fact(path: String, content: &[u8]) -> FileFact {
    let sha256 = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    FileFact { path, bytes: content.len() as u64, sha256 }
}
