//! `[routes.http]`: what a route's answers say to browsers and caches besides the picture.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use safelight_chassis::config::Section;
use safelight_image::sniff::{Format, sniff};

/// Largest placeholder, in bytes: it is kept in memory, and sent with every error.
const MAX_PLACEHOLDER_BYTES: u64 = 256 * 1024;

/// What a route's answers say to browsers and caches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Presentation {
    /// Whether only the viewer's own cache may keep them, whatever their scope.
    pub private: bool,
    /// Whether a URL's picture never changes.
    pub immutable: bool,
    /// How long a cache may serve them stale while it asks again.
    pub stale_while_revalidate: Option<Duration>,
    /// How long a cache may serve them stale when it gets errors.
    pub stale_if_error: Option<Duration>,
    /// Sites whose scripts may read them.
    pub cors: Origins,
    /// Sites that may see how long they took.
    pub timing_allow_origin: Origins,
    /// Sites that may embed them.
    pub corp: Corp,
    /// Whether they say where the time went.
    pub server_timing: bool,
    /// Whether client hints may change the picture.
    pub client_hints: bool,
    /// Whether they name a file to save the picture as.
    pub filename: bool,
    /// The picture that errors are answered with.
    pub placeholder: Option<Placeholder>,
}

/// Which sites may do something, by their origins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// These, as browsers write them: `https://app.example.com`.
    These(Vec<String>),
}

/// `Cross-Origin-Resource-Policy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Corp {
    /// Any site may embed the pictures: they are mostly served from a host of their own.
    #[default]
    CrossOrigin,
    /// Sites of the same registrable domain.
    SameSite,
    /// The same host alone.
    SameOrigin,
}

impl Corp {
    const ALL: [Self; 3] = [Self::CrossOrigin, Self::SameSite, Self::SameOrigin];

    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CrossOrigin => "cross-origin",
            Self::SameSite => "same-site",
            Self::SameOrigin => "same-origin",
        }
    }
}

/// A picture that errors are answered with.
#[derive(Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// The file.
    pub bytes: Bytes,
    /// What it is.
    pub format: Format,
}

impl fmt::Debug for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.format, self.bytes.len())
    }
}

/// Reads `[routes.http]`.
pub(super) fn read(section: &mut Section) -> Presentation {
    let private = match section.optional::<String>("cache").as_deref() {
        None | Some("public") => false,
        Some("private") => true,
        Some(_) => {
            section.error("cache", "must be \"public\" or \"private\"");
            false
        }
    };
    let corp = section.optional::<String>("corp").map_or(Corp::CrossOrigin, |text| {
        Corp::ALL.into_iter().find(|corp| corp.as_str() == text).unwrap_or_else(|| {
            section.error("corp", "must be \"same-origin\", \"same-site\" or \"cross-origin\"");
            Corp::default()
        })
    });
    let placeholder = section.optional::<PathBuf>("placeholder").and_then(|path| {
        read_placeholder(&path).map_err(|message| section.error("placeholder", message)).ok()
    });
    Presentation {
        private,
        immutable: section.or("immutable", false),
        stale_while_revalidate: section.duration("stale_while_revalidate"),
        stale_if_error: section.duration("stale_if_error"),
        cors: read_origins(section, "cors"),
        timing_allow_origin: read_origins(section, "timing_allow_origin"),
        corp,
        server_timing: section.or("server_timing", false),
        client_hints: section.or("client_hints", false),
        filename: section.or("filename", false),
        placeholder,
    }
}

pub(crate) fn read_origins(section: &mut Section, key: &str) -> Origins {
    let origins: Vec<String> = section.or(key, Vec::new());
    if origins.is_empty() {
        return Origins::None;
    }
    if origins == ["*"] {
        return Origins::All;
    }
    if !origins.iter().all(|origin| is_origin(origin)) {
        section.error(key, "must be [\"*\"], or origins as browsers write them: https://app.example.com");
    }
    Origins::These(origins)
}

/// Whether a text is `scheme://host[:port]` in the characters and the case that browsers use.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'-' | b'.' | b':' | b'[' | b']' | b'_')
    };
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(allowed))
}

fn read_placeholder(path: &Path) -> Result<Placeholder, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_PLACEHOLDER_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error: io::Error| format!("cannot be read: {}", error.kind()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_PLACEHOLDER_BYTES {
        return Err(format!("must have at most {MAX_PLACEHOLDER_BYTES} bytes"));
    }
    let format = sniff(&bytes).map_err(|_| "must be a JPEG, PNG, WebP or GIF file")?;
    Ok(Placeholder { bytes: bytes.into(), format })
}

#[cfg(test)]
mod tests {
    use safelight_chassis::config;

    use super::*;

    fn parsed(text: &str) -> Result<Presentation, String> {
        config::read(text, read).map_err(|errors| errors.to_string())
    }

    #[test]
    fn nothing_is_allowed_unless_it_is_said() {
        let default = parsed("").unwrap();
        assert_eq!(default, Presentation::default());
        assert_eq!((default.cors, default.corp.as_str()), (Origins::None, "cross-origin"));
        let all = parsed(
            "cache = 'private'\ncors = ['*']\ntiming_allow_origin = ['https://a.example:8443', 'http://[::1]:1']\n\
             corp = 'same-site'\nstale_if_error = '1d'\nimmutable = true",
        )
        .unwrap();
        assert!(all.private && all.immutable);
        assert_eq!((all.cors, all.corp), (Origins::All, Corp::SameSite));
        assert_eq!(all.stale_if_error, Some(Duration::from_secs(86_400)));
        assert!(matches!(all.timing_allow_origin, Origins::These(origins) if origins.len() == 2));
    }

    #[test]
    fn what_could_not_work_is_refused() {
        let folder = std::env::temp_dir().join(format!("safelight-placeholder-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (text, large) = (folder.join("text.png"), folder.join("large.png"));
        std::fs::write(&text, "<svg onload='alert(1)'/>").unwrap();
        std::fs::write(&large, vec![0; 256 * 1024 + 1]).unwrap();
        for (line, key) in [
            ("cache = 'shared'".to_owned(), "cache"),
            ("cors = ['app.example.com']".to_owned(), "cors"),
            ("cors = ['https://app.example.com/']".to_owned(), "cors"),
            ("cors = ['https://App.example.com']".to_owned(), "cors"),
            ("cors = ['*', 'https://a']".to_owned(), "cors"),
            ("timing_allow_origin = ['null']".to_owned(), "timing_allow_origin"),
            ("corp = 'none'".to_owned(), "corp"),
            ("placeholder = '/nowhere/x.png'".to_owned(), "placeholder"),
            (format!("placeholder = '{}'", text.display()), "placeholder"),
            (format!("placeholder = '{}'", large.display()), "placeholder"),
            ("color = 1".to_owned(), "color"),
        ] {
            let errors = parsed(&line).unwrap_err();
            assert!(errors.contains(key), "{line}: {errors}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
