//! Uncompressed sound as RTP carries it: G.711 (ITU-T G.711, RFC 3551 section 4.5.14) and sixteen bits (4.5.11).

/// A-law.
pub(super) fn alaw(bytes: &[u8], samples: &mut Vec<f32>) {
    samples.extend(bytes.iter().map(|&byte| {
        let value = byte ^ 0x55;
        let (exponent, mantissa) = (value >> 4 & 7, i32::from(value & 0xf));
        let magnitude = match exponent {
            0 => mantissa << 4 | 8,
            _ => (mantissa << 4 | 0x108) << (exponent - 1),
        };
        sample(if value & 0x80 == 0 { -magnitude } else { magnitude })
    }));
}

/// Mu-law.
pub(super) fn mulaw(bytes: &[u8], samples: &mut Vec<f32>) {
    samples.extend(bytes.iter().map(|&byte| {
        let value = !byte;
        let magnitude = ((i32::from(value & 0xf) << 3 | 0x84) << (value >> 4 & 7)) - 0x84;
        sample(if value & 0x80 == 0 { magnitude } else { -magnitude })
    }));
}

/// Sixteen bits, big endian.
pub(super) fn linear(bytes: &[u8], samples: &mut Vec<f32>) {
    samples.extend(bytes.chunks_exact(2).map(|pair| sample(i16::from_be_bytes([pair[0], pair[1]]).into())));
}

fn sample(value: i32) -> f32 {
    value as f32 / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(expand: fn(&[u8], &mut Vec<f32>), bytes: &[u8]) -> Vec<f32> {
        let mut samples = Vec::new();
        expand(bytes, &mut samples);
        samples.iter().map(|sample| sample * 32_768.0).collect()
    }

    /// The values of ITU-T G.711, tables 1a and 2a, on the scale of 16 bits.
    #[test]
    fn extremes_and_silence_are_those_of_the_standard() {
        assert_eq!(expanded(alaw, &[0xd5, 0x55, 0xaa, 0x2a]), [8.0, -8.0, 32_256.0, -32_256.0]);
        assert_eq!(expanded(mulaw, &[0xff, 0x7f, 0x80, 0x00]), [0.0, 0.0, 32_124.0, -32_124.0]);
        assert_eq!(expanded(linear, &[0x7f, 0xff, 0x80, 0x00, 0]), [32_767.0, -32_768.0]);
    }
}
