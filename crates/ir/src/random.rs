//! Random words by Threefry-2×32 (Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as easy
//! as 1, 2, 3*, 2011), which every backend makes of a key.

/// The first `count` words of a key. The counter pairs word `i` of the first half with word
/// `i + ⌈count/2⌉` of the second; an odd count leaves one word in the middle, paired with zero.
pub fn words(key: [u32; 2], count: usize) -> Vec<u32> {
    let half = count / 2;
    let second = count.div_ceil(2);
    let mut words = vec![0; count];
    for first in 0..half {
        let pair = threefry(key, [first as u32, (first + second) as u32]);
        words[first] = pair[0];
        words[first + second] = pair[1];
    }
    if count % 2 == 1 {
        words[half] = threefry(key, [half as u32, 0])[0];
    }
    words
}

/// Five times four rounds, a word of the extended key added after each four.
fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    const PARITY: u32 = 0x1BD1_1BDA;
    let extended = [key[0], key[1], key[0] ^ key[1] ^ PARITY];
    let mut state = [
        counter[0].wrapping_add(key[0]),
        counter[1].wrapping_add(key[1]),
    ];
    for round in 0..5 {
        for rotation in ROTATIONS[round % 2] {
            state[0] = state[0].wrapping_add(state[1]);
            state[1] = state[1].rotate_left(rotation) ^ state[0];
        }
        state[0] = state[0].wrapping_add(extended[(round + 1) % 3]);
        state[1] = state[1]
            .wrapping_add(extended[(round + 2) % 3])
            .wrapping_add(round as u32 + 1);
    }
    state
}
