//! Discrete Fourier transforms, with MLX's names.
//!
//! Whatever the input's dtype, the work is done in single precision: spectra are `complex64`,
//! real results `float32`.

mod frequency;
mod short_time;
mod transform;

pub use frequency::{fftfreq, fftshift, ifftshift, rfftfreq};
pub use short_time::{Frames, PadMode, istft, stft};
pub use transform::{
    Norm, fft, fft2, fftn, hfft, ifft, ifft2, ifftn, ihfft, irfft, irfft2, irfftn, rfft, rfft2,
    rfftn,
};
