//! Families from their sizes, with the default hyper-parameters that model files and Python have.

use serde::de::DeserializeOwned;

use super::*;

/// A family whose other fields are at their serde defaults.
fn with_defaults<F: DeserializeOwned>(sizes: &[(&str, usize)]) -> F {
    let fields = sizes.iter().map(|(name, size)| ((*name).to_owned(), (*size).into()));
    serde_json::from_value(serde_json::Value::Object(fields.collect()))
        .unwrap_or_else(|error| unreachable!("every other field of a family has a default: {error}"))
}

macro_rules! constructors {
    ($($family:ident($($size:ident),+);)+) => {
        $(impl $family {
            /// The family of these sizes with its default hyper-parameters.
            pub fn new($($size: usize),+) -> Self {
                with_defaults(&[$((stringify!($size), $size)),+])
            }
        })+

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn every_constructor_gives_a_family_that_passes_its_own_checks() {
                // Any sizes will do; all of them 2.
                $(assert!(EmissionSpec::from($family::new($({ let $size = 2; $size }),+)).build().is_ok());)+
            }
        }
    };
}

constructors! {
    Bernoulli(num_states, emission_dim);
    Categorical(num_states, emission_dim, num_classes);
    CategoricalRegression(num_states, num_classes, input_dim);
    DiagonalGaussian(num_states, emission_dim);
    DiagonalGaussianMixture(num_states, num_components, emission_dim);
    Exponential(num_states, emission_dim);
    Gamma(num_states);
    Gaussian(num_states, emission_dim);
    GaussianMixture(num_states, num_components, emission_dim);
    LinearAutoregressive(num_states, emission_dim, num_lags);
    LinearRegression(num_states, input_dim, emission_dim);
    LogNormal(num_states, emission_dim);
    LogisticRegression(num_states, input_dim);
    LowRankGaussian(num_states, emission_dim, emission_rank);
    Multinomial(num_states, emission_dim, num_classes, num_trials);
    NegativeBinomial(num_states, emission_dim);
    Poisson(num_states, emission_dim);
    SharedCovarianceGaussian(num_states, emission_dim);
    SphericalGaussian(num_states, emission_dim);
    StudentT(num_states, emission_dim);
    VonMises(num_states, emission_dim);
    ZeroInflatedPoisson(num_states, emission_dim);
}
