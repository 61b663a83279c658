// Adds to what a method of the frontend does.
export function follow(object, method, then) {
  const first = object[method];
  object[method] = function (...given) {
    const result = first?.apply(this, given);
    then.apply(this, given);
    return result;
  };
}
