//! The dtypes of matrices.

use faer::linalg::solvers::Eigen;
use faer::traits::{ComplexField, RealField};
use faer::{Mat, MatRef};
use num_complex::{Complex32, Complex64};

/// Values and vectors of a general matrix.
pub(super) type Spectrum = (Vec<Complex64>, Option<Mat<Complex64>>);

/// A number that matrices are made of.
pub(super) trait Element:
    ComplexField<Real = Self::Part> + Copy + Default + PartialEq + Send + Sync + 'static
{
    /// Its real and imaginary parts.
    type Part: RealField + Copy + Into<f64> + Send + Sync + 'static;

    /// In double precision.
    fn wide(self) -> Complex64;

    /// The nearest number; a real one loses the imaginary part.
    fn narrow(value: Complex64) -> Self;

    /// The nearest number of a part.
    fn narrow_part(value: f64) -> Self::Part;

    /// The conjugate.
    fn conjugate(self) -> Self;

    /// The product with a number, whose imaginary part does not count for a real element.
    fn scaled(self, factor: Complex64) -> Self;

    /// Eigenvalues and, if wanted, right eigenvectors; nothing if the iteration does not end.
    fn eigen(matrix: MatRef<'_, Self>, vectors: bool) -> Option<Spectrum>;
}

macro_rules! real_element {
    ($kind:ty) => {
        impl Element for $kind {
            type Part = $kind;

            fn wide(self) -> Complex64 {
                Complex64::new(self.into(), 0.0)
            }

            fn narrow(value: Complex64) -> Self {
                value.re as $kind
            }

            fn narrow_part(value: f64) -> $kind {
                value as $kind
            }

            fn conjugate(self) -> Self {
                self
            }

            fn scaled(self, factor: Complex64) -> Self {
                (f64::from(self) * factor.re) as $kind
            }

            fn eigen(matrix: MatRef<'_, Self>, vectors: bool) -> Option<Spectrum> {
                if !vectors {
                    let values = matrix.eigenvalues().ok()?;
                    let wide =
                        |v: &num_complex::Complex<$kind>| Complex64::new(v.re.into(), v.im.into());
                    return Some((values.iter().map(wide).collect(), None));
                }
                let eigen = Eigen::new_from_real(matrix).ok()?;
                let wide =
                    |v: num_complex::Complex<$kind>| Complex64::new(v.re.into(), v.im.into());
                let values = eigen.S().column_vector().iter().map(|v| wide(*v)).collect();
                let basis = eigen.U();
                let basis = Mat::from_fn(basis.nrows(), basis.ncols(), |i, j| wide(basis[(i, j)]));
                Some((values, Some(basis)))
            }
        }
    };
}
real_element!(f32);
real_element!(f64);

impl Element for Complex32 {
    type Part = f32;

    fn wide(self) -> Complex64 {
        Complex64::new(self.re.into(), self.im.into())
    }

    fn narrow(value: Complex64) -> Self {
        Complex32::new(value.re as f32, value.im as f32)
    }

    fn narrow_part(value: f64) -> f32 {
        value as f32
    }

    fn conjugate(self) -> Self {
        self.conj()
    }

    fn scaled(self, factor: Complex64) -> Self {
        Self::narrow(self.wide() * factor)
    }

    fn eigen(matrix: MatRef<'_, Self>, vectors: bool) -> Option<Spectrum> {
        if !vectors {
            let values = matrix.eigenvalues().ok()?;
            return Some((values.iter().map(|value| value.wide()).collect(), None));
        }
        let eigen = Eigen::new(matrix).ok()?;
        let values = eigen.S().column_vector().iter();
        let values = values.map(|value: &Complex32| value.wide()).collect();
        let basis = eigen.U();
        let wide = |i: usize, j: usize| -> Complex64 { basis[(i, j)].wide() };
        Some((
            values,
            Some(Mat::from_fn(basis.nrows(), basis.ncols(), wide)),
        ))
    }
}
