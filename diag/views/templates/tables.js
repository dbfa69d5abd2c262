"use strict";
// Tables: sorted by a click on a head, downloaded as CSV. In a table from the server data-value is a cell's number, data-csv
// what CSV says of a cell or head; a head with data-ends gives two more columns, each cell's data-low and data-high.
const reportTables = (make, tip, terms) => {
  const known = (value) => typeof value === "number" && Number.isFinite(value);
  // Shown text for a machine: plain spaces and signs; what is undefined is nothing.
  function ascii(text) {
    const plain = text.replace(/\s+/g, " ").trim().replaceAll("−", "-").replaceAll("–", "-");
    return plain === "-" ? "" : plain;
  }
  const several = (text) => (text.match(/\d[\d.,]*(e[-+]?\d+)?/gi) || []).length > 1;
  const rounded = (value) => (known(value) ? Number(value.toPrecision(12)) : value);
  function rawText(cell) {
    const { csv: told, value } = cell.dataset;
    if (told !== undefined) return told;
    if (value === undefined) return ascii(cell.textContent);
    if (value === "nan" || value === "None") return "";
    return Number.isFinite(Number(value)) && several(cell.textContent) ? ascii(cell.textContent) : value;
  }
  const end = (value) => (value === undefined || value === "nan" ? "" : value);
  function fromCells(table) {
    const heads = [...table.tHead.rows[0].cells];
    const each = (row, own, ends) => heads.flatMap((head, column) => {
      const cell = row.cells[column];
      const more = head.dataset.ends === undefined ? [] : ends(cell);
      return head.dataset.ends === "only" ? more : [own(cell), ...more];
    });
    return [each(table.tHead.rows[0], rawText, (head) => ["low", "high"].map((side) => `${rawText(head)}_${side}`)),
      [...table.tBodies[0].rows].map((row) => each(row, rawText, (cell) => [end(cell.dataset.low), end(cell.dataset.high)]))];
  }
  const quoted = (value) => {
    let text = value === null || value === undefined ? "" : String(value).replace(/\u00a0$/, "");
    if (/^[=+\-@\t\r\n＝＋－＠]/.test(text) && !Number.isFinite(Number(text))) text = `'${text}`; // no formula for a spreadsheet
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  function save(name, columns, rows) {
    const text = [columns, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n");
    const link = make("a", { href: URL.createObjectURL(new Blob(["\ufeff", text, "\r\n"], { type: "text/csv" })), download: `${name.replace(/[^\w\- ]+/g, "").trim().replace(/\s+/g, "-").replace(/^-+/, "").toLowerCase().slice(0, 80) || "table"}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
  function csvButton(name, content) {
    return make("button", { type: "button", class: "csv", title: "Download this table as CSV", onclick: () => save(name, ...content()) }, "↓ CSV");
  }
  function sortable(table) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.tabIndex = 0;
      const sort = () => {
        const down = header.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.replaceAll(",", "");
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const [one, two] = [value(a), value(b)];
          const order = Number(one) - Number(two);
          return Number.isNaN(order) ? one.localeCompare(two) : order;
        });
        table.tBodies[0].append(...(down ? rows.reverse() : rows));
      };
      header.addEventListener("click", sort);
      header.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    });
  }
  function dress(scope) {
    for (const table of scope.querySelectorAll("table.figures:not([data-dressed])")) {
      table.dataset.dressed = "";
      if (table.classList.contains("sortable")) sortable(table);
      if (!table.tHead || !table.tBodies[0] || table.closest("dialog")) continue;
      const heading = table.closest("section")?.querySelector("h2")?.textContent || "table";
      (table.closest(".scroll") || table).after(csvButton(table.dataset.csv || heading, table.csvRows || (() => fromCells(table))));
    }
  }

  // ---- from rows of plain values ----
  const shownIn = (column, row) => {
    const value = row[column.key];
    return column.cell ? column.cell(row) : column.format ? column.format(value) : String(value ?? "–");
  };
  const headOf = (column) => column.label || (terms[column.tip] || [column.key])[0];
  // What CSV has of a column: [head, value(row)], or several of them.
  function csvOf(column) {
    if (Array.isArray(column.csv)) return column.csv;
    const value = (row) => {
      if (column.text) return column.text(row);
      const own = row[column.key];
      if (own !== undefined && !known(own)) return own;
      const text = [make("span", {}, shownIn(column, row)).textContent].find(several);
      return text === undefined ? rounded(own) : ascii(text);
    };
    return [[column.csv || ascii(headOf(column)), value]];
  }
  // A figure and the ends of its interval as three columns of a CSV file; shares become points where the head says so.
  function csvRange(key, { name = key, ends = `${name}_`, points = false } = {}) {
    const unit = points ? "_points" : "";
    const value = (field) => (row) => (known(row[field]) ? rounded(row[field] * (points ? 100 : 1)) : null);
    return [[name + unit, value(key)], [`${ends}low${unit}`, value(`${key}_low`)], [`${ends}high${unit}`, value(`${key}_high`)]];
  }
  // columns: {key, label, tip, format, numeric, cell(row), text(row), csv}; a click on a row calls onRow. CSV has all() rows where
  // not all are shown. A column's `csv` is its head there, or a list of [head, value(row)]; the table's `csv` is for CSV only.
  function table(target, { name, columns, rows, onRow = null, chosen = null, all = null, csv = [] }) {
    const head = columns.map((column) => make("th", { scope: "col", class: column.numeric ? "n" : null },
      column.tip ? tip(column.tip, column.label) : clip(headOf(column))));
    const body = rows.map((row, place) => {
      const cells = columns.map((column) => {
        const shown = shownIn(column, row);
        return make("td", { class: column.numeric ? "n" : null, "data-value": row[column.key] ?? "" }, typeof shown === "string" ? clip(shown) : shown);
      });
      const line = make("tr", { class: [onRow ? "pick-row" : "", chosen && chosen(row) ? "strong" : ""].join(" ").trim() || null, tabindex: onRow ? 0 : null }, ...cells);
      if (onRow) {
        line.addEventListener("click", () => onRow(row, place));
        line.addEventListener("keydown", (event) => { if (event.key === "Enter") onRow(row, place); });
      }
      return line;
    });
    target.replaceChildren(make("div", { class: `scroll${rows.length > 20 ? " tall" : ""}` },
      make("table", { class: "figures sortable", "data-csv": name }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body))));
    const listed = [...columns.flatMap(csvOf), ...csv];
    target.querySelector("table").csvRows = () => [listed.map(([title]) => title),
      (all ? all() : rows).map((row) => listed.map(([, value]) => value(row)))];
    dress(target);
  }
  // A long name in at most two lines (a text in at most six); all of it on hover.
  const LONG = 32;
  const clip = (text, limit = LONG, lines = "clip") => (text.length > limit ? make("span", { class: lines, title: text }, text) : text);
  return { table, dress, csvButton, csvRange, clip };
};
