//! Every grant of a service, by caller.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Caller, Granted, Method, Methods, Names};
use crate::config::Section;

/// What one `[[grants]]` allows. `S` is what the service's grants restrict besides the method.
#[derive(Debug)]
pub struct Grant<S> {
    /// The methods, by name.
    pub methods: Names,
    /// The rest.
    pub rest: S,
}

/// Every grant of a service, by caller.
#[derive(Debug)]
pub struct Grants<S> {
    methods: Methods,
    of: HashMap<Caller, Arc<[Arc<Grant<S>>]>>,
    /// The names that the log may show.
    known: Arc<HashSet<String>>,
}

impl<S> Grants<S> {
    /// These grants of a service with these methods.
    #[must_use]
    pub fn new(methods: Methods, grants: impl IntoIterator<Item = (Caller, Grant<S>)>) -> Self {
        let mut of: HashMap<Caller, Vec<Arc<Grant<S>>>> = HashMap::new();
        for (caller, grant) in grants {
            of.entry(caller).or_default().push(Arc::new(grant));
        }
        let of = of.into_iter().map(|(caller, grants)| (caller, grants.into())).collect();
        Self { methods, of, known: Arc::default() }
    }

    /// With these names of the configuration, which the log may show when a call that gives one is refused.
    #[must_use]
    pub fn with_known(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { known: Arc::new(names.into_iter().collect()), ..self }
    }

    /// All, with their callers.
    pub fn iter(&self) -> impl Iterator<Item = (&Caller, &Grant<S>)> {
        self.of.iter().flat_map(|(caller, grants)| grants.iter().map(move |grant| (caller, &**grant)))
    }

    /// Reads `[[grants]]`: of each its caller and methods, and with `read` the rest of the same table. What is wrong is
    /// recorded in the section.
    pub fn read(
        section: &mut Section,
        methods: Methods,
        mut read: impl FnMut(&mut Section, &Names) -> S,
    ) -> Self {
        let grants = section.tables("grants", |section| {
            let caller = read_caller(section);
            let methods = read_methods(section, methods);
            let rest = read(section, &methods);
            (caller, Grant { methods, rest })
        });
        Self::new(methods, grants)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The service's methods.
    #[must_use]
    pub const fn methods(&self) -> Methods {
        self.methods
    }

    /// What `caller` may do with `method`; `None` for nothing.
    #[must_use]
    pub fn granted(&self, caller: &Caller, method: &'static Method) -> Option<Granted<S>> {
        Granted::new(caller, method, self.of.get(caller), &self.known)
    }
}

fn read_caller(section: &mut Section) -> Caller {
    let caller: String = section.required("caller");
    if caller.is_empty() {
        section.error("caller", "expected a URI, the caller of a token, or \"anonymous\"");
    }
    Caller::new(&caller)
}

fn read_methods(section: &mut Section, methods: Methods) -> Names {
    let names: Vec<String> = section.required("methods");
    if names.is_empty() {
        section.error("methods", "expected at least one method, or \"*\"");
    }
    if names.iter().any(|name| name != "*" && methods.of_name(name).is_none()) {
        section.error("methods", "there is no such method");
    }
    Names::new(names)
}
