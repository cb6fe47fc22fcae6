//! `#[derive(Module)]`: every field is visited under its name; fields marked `#[module(skip)]`
//! hold no parameters.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Field, Fields, parse_macro_input};

/// Implements `Module` by visiting every field.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

fn expand(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let name = &input.ident;
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(
            name,
            "Module can be derived for structs",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(syn::Error::new_spanned(
            name,
            "Module needs named fields: they name parameters",
        ));
    };
    let visited: Vec<_> = fields
        .named
        .iter()
        .filter(|field| !is_skipped(field))
        .collect();
    let members: Vec<_> = visited
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let labels: Vec<_> = members.iter().map(|member| member.to_string()).collect();
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        impl #impl_generics ::mlx_oxide_nn::Module for #name #type_generics #where_clause {
            fn visit(&self, path: &::mlx_oxide_nn::Path<'_>, visitor: &mut dyn ::mlx_oxide_nn::Visitor) {
                #( ::mlx_oxide_nn::Module::visit(&self.#members, &path.field(#labels), visitor); )*
            }

            fn visit_mut(
                &mut self,
                path: &::mlx_oxide_nn::Path<'_>,
                visitor: &mut dyn ::mlx_oxide_nn::VisitorMut,
            ) {
                #( ::mlx_oxide_nn::Module::visit_mut(&mut self.#members, &path.field(#labels), visitor); )*
            }

            fn set_training(&mut self, training: bool) {
                #( ::mlx_oxide_nn::Module::set_training(&mut self.#members, training); )*
            }
        }
    })
}

fn is_skipped(field: &Field) -> bool {
    field.attrs.iter().any(|attribute| {
        attribute.path().is_ident("module")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|argument| argument == "skip")
    })
}
