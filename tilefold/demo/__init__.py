"""The demo's data: what `tilefold demo` brings in; the declarations of its features are in the folder `features`."""
