//! Discrete Fourier transforms, with MLX's names.
//!
//! Whatever the input's dtype, the work is done in single precision: spectra are `complex64`,
//! real results `float32`.

mod frequency;
mod short_time;
mod transform;

pub use frequency::{fftfreq, fftshift, ifftshift, rfftfreq};
pub use short_time::{Frames, PadMode, istft, stft};
pub use transform::{Norm, fft, fftn, hfft, ifft, ifftn, ihfft, irfft, irfftn, rfft, rfftn};
