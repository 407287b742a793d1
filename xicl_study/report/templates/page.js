// A table's heading becomes a button; a click sorts by its column, the next turns the order round, a third undoes it.
function cellValue(row, column) {
  const cell = row.cells[column];
  const first = cell && cell.firstChild ? cell.firstChild.textContent : "";
  const text = first.trim().replace("\u2212", "-").replace(/,/g, "");
  if (text === "" || text === "\u2013") return null;
  return /^[<+]?[-+]?[.\d]/.test(text) ? parseFloat(text.replace(/^[<+]\s*/, "")) : text;
}
function compareValues(left, right) {
  const numbers = typeof left === "number" && typeof right === "number";
  return numbers ? left - right : String(left).localeCompare(String(right));
}
function sortedRows(rows, column, sign) {
  return [...rows].sort((left, right) => {
    const [a, b] = [cellValue(left, column), cellValue(right, column)];
    // a cell without a result goes to the end in both directions
    return a === null || b === null ? (a === null) - (b === null) : sign * compareValues(a, b);
  });
}
for (const table of document.querySelectorAll(".scroll table")) {
  const heads = table.tHead ? [...table.tHead.rows[0].cells] : [], body = table.tBodies[0];
  if (!body || body.rows.length < 2) continue;
  const written = [...body.rows];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.append(head.firstChild);
    head.append(button);
    button.addEventListener("click", () => {
      const [first, second] = column ? ["descending", "ascending"] : ["ascending", "descending"];
      const before = head.getAttribute("aria-sort");
      const order = before === first ? second : before === second ? null : first;
      heads.forEach(each => each.removeAttribute("aria-sort"));
      if (order) head.setAttribute("aria-sort", order);
      const rows = order ? sortedRows(written, column, order === "descending" ? -1 : 1) : written;
      rows.forEach(row => body.append(row));
      body.classList.toggle("sorted", Boolean(order));
    });
  });
}

// A link to a folded part opens it, and printing opens all.
function openTarget() {
  let part = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  const target = part;
  for (; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(each => { each.open = true; }));
openTarget();
