//! Eigenvalues of real symmetric tridiagonal matrices without vectors: the rational variant of the
//! implicit QL iteration (Pal, Walker and Kahan; Reinsch, "Algorithm 464", 1973), with one division
//! more than a rotation and no root. It works in double precision, whatever the matrix was in.
//!
//! What a step of a sweep waits for is what it costs. Written as usual, the square that is left over
//! waits for two divisions one after the other. Divided by the cosines, the diagonal that is left
//! over is the pivots of the shifted matrix: each follows from the one before by one division, and
//! the squares' reciprocals follow from the pivots by a product and a sum.

/// Sweeps for one eigenvalue at most; two or three are usual.
const SWEEPS: usize = 60;
/// Pivots are not smaller, in units of the greatest element.
const LEAST: f64 = 1e-100;
/// Elements that are looked at together.
const TOGETHER: usize = 8;

/// Replaces the diagonal by the eigenvalues in ascending order and the `n - 1` elements beside it by
/// rubbish; tells whether the iteration ended. Elements beside the diagonal that are smaller than
/// their neighbours by a factor of `precision` count as zero; most eigenvalues change by its square.
pub(super) fn eigenvalues(diagonal: &mut [f64], beside: &mut [f64], precision: f64) -> bool {
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
        let end = first + block(&diagonal[first..], &beside[first..], precision);
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

/// The place of the first element beside the diagonal, given by its square, that is zero next to its
/// neighbours or to the greatest element, 1.
fn block(diagonal: &[f64], squares: &[f64], precision: f64) -> usize {
    let bound = precision * precision;
    let negligible = |square: f64, values: [f64; 2]| {
        let product = (values[0] * values[1]).abs();
        square <= bound * product.max(f64::EPSILON * f64::EPSILON)
    };
    let mut first = 0;
    for (squares, own) in squares
        .chunks_exact(TOGETHER)
        .zip(diagonal.chunks_exact(TOGETHER))
    {
        let next = &diagonal[first + 1..][..TOGETHER];
        let any = (0..TOGETHER).fold(false, |any, k| {
            any | negligible(squares[k], [own[k], next[k]])
        });
        if any {
            break;
        }
        first += TOGETHER;
    }
    let rest = squares[first..].iter().zip(diagonal[first..].windows(2));
    let place = rest.take_while(|(square, values)| !negligible(**square, [values[0], values[1]]));
    first + place.count()
}

/// One sweep of rotations with the shift of the first two rows. Two chains of short steps follow the
/// rows, each of which waits for nothing but itself: the pivots of the shifted matrix, and the
/// reciprocals of the squares that the rotations bring to the next row.
fn sweep(diagonal: &mut [f64], squares: &mut [f64]) {
    let last = squares.len();
    let root = squares[0].sqrt();
    let slope = (diagonal[1] - diagonal[0]) / (2.0 * root);
    let shift = diagonal[0] - root / (slope + slope.hypot(1.0).copysign(slope));
    let mut pivot = not_zero(diagonal[last] - shift);
    let mut inverse = 1.0 / pivot;
    // of the square, which is the cosine's times the pivot's
    let mut reciprocal = inverse * inverse;
    let mut sine = 0.0; // its square
    let mut excess = pivot;
    for place in (0..last).rev() {
        let (beside, value) = (squares[place], diagonal[place]);
        let length = excess * pivot + beside;
        if place + 1 < last {
            squares[place + 1] = sine * length;
        }
        let part = beside * reciprocal;
        let whole = 1.0 + part;
        let cosine = 1.0 / whole; // its square
        sine = part * cosine;
        pivot = not_zero((value - shift) - beside * inverse);
        inverse = 1.0 / pivot;
        reciprocal = whole * (inverse * inverse);
        let excess_before = excess;
        excess = cosine * pivot;
        diagonal[place + 1] = excess_before + (value - excess);
    }
    squares[0] = sine * (excess * pivot);
    diagonal[0] = shift + excess;
}

/// The pivot, or one far below rounding whose square is still a number.
#[inline(always)]
fn not_zero(pivot: f64) -> f64 {
    // a branch, since a choice would lengthen the chain
    if pivot.abs() < LEAST { least() } else { pivot }
}

#[cold]
#[inline(never)]
fn least() -> f64 {
    LEAST
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRECISION: f64 = f64::EPSILON / 2.0;

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
        assert!(eigenvalues(&mut values, &mut beside.to_vec(), PRECISION));
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
        assert!(eigenvalues(&mut zeros, &mut [0.0; 2], PRECISION));
        assert_eq!(zeros, [0.0; 3]);
    }
}
