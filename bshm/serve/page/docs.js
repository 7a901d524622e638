// The page of the API, made from its description.

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function table(heads, rows) {
  const line = (cells, kind) => element("tr", "", ...cells.map((cell) => element(kind, cell)));
  return element("table", "", line(heads, "th"), ...rows.map((row) => line(row, "td")));
}

function fieldsOf(operation) {
  const fields = (operation.parameters ?? []).map((one) => [one.name, one.description]);
  const bodies = Object.values(operation.requestBody?.content ?? {});
  const properties = Object.assign({}, ...bodies.map((body) => body.schema.properties));
  return fields.concat(Object.entries(properties).map(([name, one]) => [name, one.description]));
}

function section(method, path, operation) {
  const made = element("section", "", element("h2", `${method.toUpperCase()} ${path}`));
  made.append(element("p", operation.description));
  const kinds = Object.keys(operation.requestBody?.content ?? {});
  if (kinds.length) made.append(element("p", `Body: ${kinds.join(", ")}`));
  const fields = fieldsOf(operation);
  if (fields.length) made.append(table(["Field", ""], fields));
  const answers = Object.entries(operation.responses).map(([code, one]) => [code, one.description]);
  made.append(table(["Status", ""], answers));
  return made;
}

const description = await (await fetch("openapi.json")).json();
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    document.getElementById("endpoints").append(section(method, path, operation));
  }
}
