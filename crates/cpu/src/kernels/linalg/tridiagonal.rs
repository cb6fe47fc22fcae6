//! Eigenvalues of real symmetric tridiagonal matrices without vectors: the rational variant of the
//! implicit QL iteration (Pal, Walker and Kahan; Reinsch, "Algorithm 464", 1973), with one division
//! more than a rotation and no root. It works in double precision, whatever the matrix was in.

/// Sweeps for one eigenvalue at most; two or three are usual.
const SWEEPS: usize = 60;

/// Replaces the diagonal by the eigenvalues in ascending order and the `n - 1` elements beside it by
/// rubbish; tells whether the iteration ended.
pub(super) fn eigenvalues(diagonal: &mut [f64], beside: &mut [f64]) -> bool {
    let size = diagonal.len();
    debug_assert!(size == 0 || beside.len() + 1 == size);
    let all = diagonal.iter().chain(beside.iter());
    let greatest = all.fold(0.0f64, |most, value| most.max(value.abs()));
    if greatest == 0.0 {
        return true;
    }
    // squares neither overflow nor vanish
    diagonal.iter_mut().for_each(|value| *value /= greatest);
    beside.iter_mut().for_each(|value| {
        *value /= greatest;
        *value *= *value;
    });
    let (mut first, mut known_end, mut left) = (0, usize::MAX, SWEEPS * size);
    while first < size {
        let mut end = first;
        while end + 1 < size && !negligible(diagonal, beside, end) {
            end += 1;
        }
        if end == first {
            first += 1;
            continue;
        }
        if left == 0 {
            return false;
        }
        left -= 1;
        let (block, squares) = (&mut diagonal[first..=end], &mut beside[first..end]);
        if end != known_end && block[end - first].abs() < block[0].abs() {
            // small elements converge first, from the front
            block.reverse();
            squares.reverse();
        }
        known_end = end;
        sweep(block, squares);
    }
    diagonal.iter_mut().for_each(|value| *value *= greatest);
    diagonal.sort_unstable_by(f64::total_cmp);
    true
}

/// Whether the element beside the diagonal, given by its square, is zero next to its neighbours or
/// to the greatest element, 1.
fn negligible(diagonal: &[f64], squares: &[f64], place: usize) -> bool {
    const EPSILON: f64 = f64::EPSILON / 2.0;
    let product = (diagonal[place] * diagonal[place + 1]).abs();
    squares[place] <= EPSILON * EPSILON * product.max(EPSILON * EPSILON)
}

/// One sweep of rotations with the shift of the first two rows.
fn sweep(diagonal: &mut [f64], squares: &mut [f64]) {
    let last = squares.len();
    let root = squares[0].sqrt();
    let slope = (diagonal[1] - diagonal[0]) / (2.0 * root);
    let shift = diagonal[0] - root / (slope + slope.hypot(1.0).copysign(slope));
    let (mut cosine, mut sine) = (1.0, 0.0); // their squares
    let mut excess = diagonal[last] - shift;
    let mut square = excess * excess;
    for place in (0..last).rev() {
        let beside = squares[place];
        let length = square + beside;
        if place + 1 < last {
            squares[place + 1] = sine * length;
        }
        let cosine_before = cosine;
        (cosine, sine) = (square / length, beside / length);
        let (excess_before, value) = (excess, diagonal[place]);
        excess = cosine * (value - shift) - sine * excess_before;
        diagonal[place + 1] = excess_before + (value - excess);
        square = match cosine == 0.0 {
            true => cosine_before * beside,
            false => excess * excess / cosine,
        };
    }
    squares[0] = sine * square;
    diagonal[0] = shift + excess;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many eigenvalues are below a point, by the signs of the pivots.
    fn below(diagonal: &[f64], beside: &[f64], point: f64) -> usize {
        let (mut count, mut pivot) = (0, 1.0f64);
        for (place, value) in diagonal.iter().enumerate() {
            let before = if place == 0 { 0.0 } else { beside[place - 1] };
            let divisor = if pivot == 0.0 { 1e-300 } else { pivot };
            pivot = value - point - before * before / divisor;
            count += usize::from(pivot < 0.0);
        }
        count
    }

    fn check(diagonal: &[f64], beside: &[f64]) {
        let mut values = diagonal.to_vec();
        assert!(eigenvalues(&mut values, &mut beside.to_vec()));
        let all = diagonal.iter().chain(beside);
        let norm = all.fold(0.0f64, |most, value| most.max(value.abs()));
        let slack = 1e-14 * norm * diagonal.len() as f64;
        for (place, value) in values.iter().enumerate() {
            assert!(below(diagonal, beside, value - slack) <= place, "{value}");
            assert!(below(diagonal, beside, value + slack) > place, "{value}");
        }
    }

    #[test]
    fn values_are_where_the_pivots_change_their_signs() {
        let random = |index: usize| ((index * 7919 + 13) % 1009) as f64 / 500.0 - 1.0;
        for size in [1, 2, 3, 10, 97, 300] {
            let diagonal: Vec<_> = (0..size).map(random).collect();
            let beside: Vec<_> = (1..size).map(|index| random(index * 31)).collect();
            check(&diagonal, &beside);
            // the pivots' own squares must not vanish
            let scaled: Vec<_> = diagonal.iter().map(|value| value * 1e-140).collect();
            let tiny: Vec<_> = beside.iter().map(|value| value * 1e-140).collect();
            check(&scaled, &tiny);
            let graded = |index: usize| 10f64.powi(-(index as i32 % 30));
            let diagonal: Vec<_> = (0..size).map(graded).collect();
            let beside: Vec<_> = (1..size).map(|index| 0.5 * graded(index)).collect();
            check(&diagonal, &beside);
            let mut reversed = diagonal.clone();
            reversed.reverse();
            check(&reversed, &beside.iter().rev().copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn zeros_and_equal_values_end() {
        check(&[0.0; 5], &[1.0; 4]);
        check(&[2.0; 6], &[0.0; 5]);
        check(&[3.0, 2.0, 1.0, 0.0, 1.0, 2.0, 3.0], &[1.0; 6]); // Wilkinson's
        check(&[1.0, 1.0, 0.0, 0.0], &[1.0, 1e-300, 1.0]);
        let mut zeros = [0.0; 3];
        assert!(eigenvalues(&mut zeros, &mut [0.0; 2]));
        assert_eq!(zeros, [0.0; 3]);
    }
}
