//! What goes wrong with files.

/// Shorthand for a result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("[{op}] {source}")]
    System {
        /// Reading or writing what.
        op: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are no file of the kind.
    #[error("[{op}] malformed file: {reason}")]
    Malformed {
        /// Reading what.
        op: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The file has elements that arrays cannot have.
    #[error("[{op}] elements of type {found} are not supported")]
    Dtype {
        /// Reading or writing what.
        op: &'static str,
        /// The type, as the file names it.
        found: String,
    },
    /// An array could not be made or computed.
    #[error(transparent)]
    Array(#[from] mlx_oxide_ir::Error),
}
