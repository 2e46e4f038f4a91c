//! Numbers as array files store them: fixed-size integers and floats of either byte order.

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberFormat {
    pub(super) kind: Kind,
    /// Bytes of one number: 1, 2, 4 or 8.
    pub(super) size: usize,
    pub(super) big_endian: bool,
}

/// What the bytes of a number mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing but zero is false.
    Bool,
    Unsigned,
    /// Two's complement.
    Signed,
    /// IEEE 754 of 2, 4 or 8 bytes.
    Float,
    /// The upper half of a single (bfloat16).
    BrainFloat,
}

impl NumberFormat {
    /// A format in which numbers exist.
    pub(super) fn new(kind: Kind, size: usize, big_endian: bool) -> Option<Self> {
        let known = match kind {
            Kind::Bool => size == 1,
            Kind::Unsigned | Kind::Signed => matches!(size, 1 | 2 | 4 | 8),
            Kind::Float => matches!(size, 2 | 4 | 8),
            Kind::BrainFloat => size == 2,
        };
        known.then_some(NumberFormat { kind, size, big_endian })
    }

    /// All numbers of some bytes, as doubles.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f64> {
        bytes.chunks_exact(self.size).map(|number| self.number(number)).collect()
    }

    fn number(self, bytes: &[u8]) -> f64 {
        let mut little = [0; 8];
        for (i, byte) in bytes.iter().enumerate() {
            little[if self.big_endian { self.size - 1 - i } else { i }] = *byte;
        }
        let bits = u64::from_le_bytes(little);
        match (self.kind, self.size) {
            (Kind::Bool, _) => f64::from(u8::from(bits != 0)),
            (Kind::Unsigned, _) => bits as f64,
            (Kind::Signed, size) => {
                let unused = 64 - 8 * size as u32;
                (((bits << unused) as i64) >> unused) as f64
            }
            (Kind::Float, 2) => half(bits as u16),
            (Kind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (Kind::Float, _) => f64::from_bits(bits),
            (Kind::BrainFloat, _) => f64::from(f32::from_bits((bits as u32) << 16)),
        }
    }
}

/// A float of 16 bits: sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: Kind, big_endian: bool, bytes: &[u8]) -> f64 {
        NumberFormat::new(kind, bytes.len(), big_endian).unwrap().decode(bytes)[0]
    }

    #[test]
    fn numbers_of_every_format_become_doubles() {
        assert_eq!(one(Kind::Bool, false, &[1]), 1.0);
        assert_eq!(one(Kind::Signed, false, &[0xff]), -1.0);
        assert_eq!(one(Kind::Unsigned, false, &[0xff]), 255.0);
        assert_eq!(one(Kind::Signed, true, &(-70_000i32).to_be_bytes()), -70_000.0);
        assert_eq!(one(Kind::Signed, false, &i64::MIN.to_le_bytes()), i64::MIN as f64);
        assert_eq!(one(Kind::Unsigned, false, &[0x34, 0x12]), 4660.0);
        assert_eq!(one(Kind::Float, true, &1.5f32.to_be_bytes()), 1.5);
        assert_eq!(one(Kind::Float, false, &std::f64::consts::PI.to_le_bytes()), std::f64::consts::PI);
        assert_eq!(one(Kind::BrainFloat, false, &[0x80, 0xbf]), -1.0);
    }

    #[test]
    fn half_floats_have_their_published_extremes() {
        assert_eq!(one(Kind::Float, false, &0x7bffu16.to_le_bytes()), 65_504.0);
        assert_eq!(one(Kind::Float, false, &0x0001u16.to_le_bytes()), 2f64.powi(-24));
        assert_eq!(one(Kind::Float, false, &0x3555u16.to_le_bytes()), 0.333_251_953_125);
        assert_eq!(one(Kind::Float, false, &0xfc00u16.to_le_bytes()), f64::NEG_INFINITY);
        assert!(one(Kind::Float, false, &0x7e00u16.to_le_bytes()).is_nan());
    }
}
