//! What multiplies tiles: matrices of 16 rows of 64 bytes.

/// Rows of a tile, and columns of a tile of sums.
pub(super) const SIDE: usize = 16;
/// Terms of a tile.
pub(super) const TERMS: usize = 32;
/// Elements of a tile of `bf16`.
pub(super) const TILE: usize = SIDE * TERMS;
/// Sums of two by two tiles, `2·SIDE` a row.
pub(super) type Sums = [f32; 4 * SIDE * SIDE];

/// A unit's registers as whole tiles, for this thread, until it is dropped.
pub(super) trait Unit: Sized {
    /// Makes them whole tiles.
    ///
    /// # Safety
    /// The unit is available, and this thread has not configured it.
    unsafe fn configure() -> Self;

    /// `sums ← lhs × rhs` of two by two tiles; tiles of one row or column of tiles follow each
    /// other.
    ///
    /// # Safety
    /// Each operand has `count > 0` tiles.
    unsafe fn multiply(
        &self,
        count: usize,
        lhs: [*const u16; 2],
        rhs: [*const u16; 2],
        sums: &mut Sums,
    );
}
