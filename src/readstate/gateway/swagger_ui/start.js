// No validator, which would be somebody else's server.
SwaggerUIBundle({ url: "openapi.yaml", dom_id: "#docs", validatorUrl: null, deepLinking: true, docExpansion: "list" });
