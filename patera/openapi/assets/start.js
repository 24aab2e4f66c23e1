/* Starts Swagger UI; in a file of its own, so that the page needs no inline script. */
"use strict";

const page = document.getElementById("swagger-ui");

window.ui = SwaggerUIBundle({
  url: page.dataset.specsUrl,
  domNode: page,
  deepLinking: true,
  queryConfigEnabled: false,
  validatorUrl: null,
});
