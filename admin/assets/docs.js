// The page of the admin API: swagger-ui over our own document. Nothing that is
// typed into it is kept.
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
