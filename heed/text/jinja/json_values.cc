#include "heed/text/jinja/json_values.h"

#include <limits>

#include "heed/base/error.h"

namespace heed::jinja {

Value value_of(const OrderedJson& json) {
  switch (json.type()) {
    case OrderedJson::value_t::boolean:
      return Value(json.get<bool>());
    case OrderedJson::value_t::number_unsigned:
      if (json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
        throw Error(ErrorCode::unsupported,
                    "chat: needed integers below 2^63, found " + json.dump());
      }
      return Value(json.get<int64_t>());
    case OrderedJson::value_t::number_integer:
      return Value(json.get<int64_t>());
    case OrderedJson::value_t::number_float:
      return Value(json.get<double>());
    case OrderedJson::value_t::string:
      return Value(json.get<std::string>());
    case OrderedJson::value_t::array: {
      std::vector<Value> elements;
      for (const OrderedJson& element : json) elements.push_back(value_of(element));
      return Value::sequence(std::move(elements));
    }
    case OrderedJson::value_t::object: {
      Dict dict;
      for (const auto& [key, value] : json.items()) dict.put(key, value_of(value));
      return Value(std::move(dict));
    }
    default:
      return Value();
  }
}

}  // namespace heed::jinja
