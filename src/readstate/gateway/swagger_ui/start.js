// The example of an undo token in openapi.yaml. A real one is good only for what was marked before.
const ANY_UNDO_TOKEN = "the undo_token of mark-all-read";
let undoToken = ANY_UNDO_TOKEN;

SwaggerUIBundle({
  url: "openapi.yaml",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null, // it would be somebody else's server

  // So a click on "Execute" undoes what this page has marked last.
  responseInterceptor(response) {
    undoToken = response.body?.undo_token ?? undoToken;
    return response;
  },
  requestInterceptor(request) {
    if (typeof request.body === "string") request.body = request.body.replace(ANY_UNDO_TOKEN, () => undoToken);
    return request;
  },
});
