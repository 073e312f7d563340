// How the page speaks of the table: amounts with their unit, values as people read them.

export class Wording {
  constructor(declaration) {
    this.label = declaration.label;
    this.features = declaration.features;
    this.digits = Math.max(declaration.label.digits - 1, 0);
  }

  number(value, digits = this.digits) {
    // Rounding makes no minus zero.
    const rounded = Number(value.toFixed(digits)) + 0;
    return rounded.toLocaleString("en", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
  }

  amount(value, digits) {
    return withUnit(this.number(value, digits), this.label.unit);
  }

  change(value) {
    const text = this.number(Math.abs(value));
    if (Number(text.replaceAll(",", "")) === 0) return "0";
    return (value < 0 ? "\u2212" : "+") + text;
  }

  range(intervals) {
    if (intervals === null) return "";
    const [level, ends] = Object.entries(intervals)[0];
    const digits = Math.max(this.digits - 1, 0);
    const [low, high] = ends.map((end) => this.number(end, digits));
    return `${level}% between ${low} and ${high}`;
  }

  value(feature, value) {
    if (value === null || value === undefined) return "unknown";
    return typeof value === "number" ? withUnit(plain(value), feature.unit) : String(value);
  }
}

export function plain(value) {
  return Number(value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6 });
}

function withUnit(text, unit) {
  return unit ? `${text}\u00a0${unit}` : text;
}
